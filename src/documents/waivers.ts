/** Findings that a project decided to live with: for a while, or as a deviation that it keeps and owns. */
import { z } from 'zod'

const fields = {
  /** Only this cell: `refapp/engine/arch`, where `*` stands for any part. */
  cell: z.string().min(1).optional(),
  reason: z.string().min(1),
  /** Last day on which it holds. */
  expires: z
    .string()
    .regex(/^\d{4}-\d{2}-\d{2}$/, 'must be a day, such as 2026-12-31')
    .refine((day) => !Number.isNaN(Date.parse(day)), 'is no day of the calendar')
}

export const waiverSchema = z.strictObject({
  predicate: z.string().min(1),
  /** Only this case. */
  case: z.string().min(1).optional(),
  owner: z.string().min(1).optional(),
  ...fields
})

/** A deviation of one case; it covers MED and LOW, whatever the predicate: a crash on the same bytes is another matter. */
export const acceptedSchema = z.strictObject({
  case: z.string().min(1),
  owner: z.string().min(1),
  ...fields
})

/** Both kinds, as the gate holds them. */
export const anyWaiverSchema = waiverSchema.partial({ predicate: true })
export type Waiver = z.infer<typeof anyWaiverSchema>

/** What a waiver or an accepted deviation is about, in a few words. */
export function subjectOf({ predicate, case: about }: Pick<Waiver, 'predicate' | 'case'>): string {
  return [predicate, about].filter((part) => part !== undefined).join(' ')
}

export const waiverFileSchema = z
  .strictObject({ waivers: z.array(waiverSchema).optional(), accept: z.array(acceptedSchema).optional() })
  .refine(({ waivers, accept }) => waivers !== undefined || accept !== undefined, {
    message: 'must hold waivers, accept, or both'
  })
