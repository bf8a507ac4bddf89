/** Content codings (RFC 9110 8.4.1) of answers, undone. */
import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib'

const DECODERS: Readonly<Record<string, (body: Buffer) => Buffer>> = {
  gzip: gunzipSync,
  'x-gzip': gunzipSync,
  // A zlib stream (RFC 1950) by 8.4.1.2; one without its wrapper is another coding.
  deflate: inflateSync,
  br: brotliDecompressSync,
  zstd: zstdDecompressSync,
  identity: (body) => body
}

/**
 * The content behind its codings, which are named in the order in which they were applied.
 * @param codings value of Content-Encoding
 * @returns undefined where a coding is unknown or the bytes are not of it
 */
export function decodeContent(codings: string, body: Buffer): Buffer | undefined {
  try {
    return codings
      .split(',')
      .map((coding) => coding.trim().toLowerCase())
      .filter((coding) => coding !== '')
      .reduceRight((content, coding) => DECODERS[coding]!(content), body)
  } catch {
    return undefined
  }
}
