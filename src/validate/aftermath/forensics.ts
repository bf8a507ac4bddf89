/**
 * The dossiers of a cell's HIGHs. Only the first has the state of the process: later ones would see the traces of the
 * first. All have their bytes, their twin's, the replay file and the report.
 */
import { join } from 'node:path'
import type { Finding } from '../../documents/finding.ts'
import type { Replay } from '../../documents/replay.ts'
import type { Target } from '../../target/types.ts'
import type { FindingDraft, SliceName } from '../contracts.ts'
import { writeCase } from '../incidents/case.ts'
import { freshFolder, openIncident } from '../incidents/index.ts'

/** Folders of one cell. */
const MOST = 20

export interface ForensicsOptions {
  /** Folder of all incidents of the run. */
  folder: string
  /** `refapp/engine/arch` */
  cell: string
  facts: Readonly<Record<string, string>>
  samples(): readonly object[]
  note(text: string): void
}

export class Forensics {
  readonly #options: ForensicsOptions
  #opened: Promise<string | undefined> | undefined
  #owner: Finding | undefined
  #count = 0
  /** Folders below the output folder; the one with the state of the process first. */
  readonly incidents: string[] = []

  constructor(options: ForensicsOptions) {
    this.#options = options
  }

  /** Captures what perishes before it is known whose fault it was; resolves when it is captured. Only the first counts. */
  async suspicion(draft: FindingDraft, slice: SliceName | 'properties', target: Target): Promise<void> {
    const { predicate, severity, title } = draft
    const observed_at = new Date().toISOString()
    const { cell } = this.#options
    await this.#open(
      { id: 'f1', predicate, severity, cell, slice, case: draft.case, title, observed_at },
      draft,
      target
    )
  }

  /** A finding that is believed; the first HIGH owns the dossier, also one that was opened on suspicion. */
  async believed(
    finding: Finding,
    draft: FindingDraft,
    target: Target,
    replay: Replay | undefined
  ): Promise<void> {
    if (finding.severity !== 'HIGH' || this.#count >= MOST) return
    this.#count += 1
    const { folder, facts } = this.#options
    const first = this.#owner === undefined
    this.#owner ??= finding
    const name = first ? await this.#open(finding, draft, target) : await freshFolder(folder, finding)
    if (name === undefined) return
    finding.incident = `incidents/${name}`
    if (!first) this.incidents.push(finding.incident)
    await writeCase(join(folder, name), { finding, draft, replay, facts })
  }

  #open(finding: Finding, draft: FindingDraft, target: Target): Promise<string | undefined> {
    const { folder, facts, samples, note } = this.#options
    this.#opened ??= openIncident({ folder, finding, draft, target, samples: samples(), facts }).then(
      (name) => {
        if (name === undefined) note(`the folder of an incident cannot be made below ${folder}`)
        else this.incidents.unshift(`incidents/${name}`)
        return name
      }
    )
    return this.#opened
  }

  /** Everything is captured. */
  async done(): Promise<void> {
    await this.#opened
    // The owner is told of the folder a moment later.
    await Promise.resolve()
  }
}
