/** Findings that a project decided to live with for a while. */
import { z } from 'zod'

export const waiverSchema = z.strictObject({
  predicate: z.string().min(1),
  /** Only this case. */
  case: z.string().min(1).optional(),
  /** Only this cell: `refapp/engine/arch`, where `*` stands for any part. */
  cell: z.string().min(1).optional(),
  reason: z.string().min(1),
  owner: z.string().min(1).optional(),
  /** Last day on which it holds. */
  expires: z
    .string()
    .regex(/^\d{4}-\d{2}-\d{2}$/, 'must be a day, such as 2026-12-31')
    .refine((day) => !Number.isNaN(Date.parse(day)), 'is no day of the calendar')
})
export type Waiver = z.infer<typeof waiverSchema>

export const waiverFileSchema = z.strictObject({ waivers: z.array(waiverSchema) })
