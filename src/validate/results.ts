/** Reads a result document that somebody named. */
import { readFile } from 'node:fs/promises'
import { DocumentProblem, parseResultDocument, type ResultDocument } from '../documents/result.ts'
import { UserError } from '../kit/errors.ts'
import { codeOf } from '../kit/files.ts'

const WHY: Record<string, string> = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a folder, not a file',
  EACCES: 'cannot be read: permission denied'
}

/** @throws UserError naming the file, what is wrong with it, and the fix */
export async function readResults(path: string): Promise<ResultDocument> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    const code = codeOf(error) ?? 'unknown'
    throw new UserError({
      where: path,
      what: WHY[code] ?? `cannot be read (${code})`,
      fix: 'name a validate-results.json'
    })
  }
  try {
    return parseResultDocument(text)
  } catch (error) {
    if (error instanceof DocumentProblem)
      throw new UserError({ where: path, what: error.message, fix: error.fix })
    throw error
  }
}
