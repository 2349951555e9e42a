/** Several attacks in a row, with as few servers as they can share. */
import type { ServerKind } from '../support/server-process.ts';
import type { Attack } from './attack.ts';
import { Rig } from './rig.ts';
import { runAttack, type Outcome } from './run.ts';

export class Series {
  readonly #kind: ServerKind;
  readonly #durationMs: number;
  #rig: { readonly key: string; readonly rig: Rig } | undefined;

  constructor(kind: ServerKind, durationMs: number) {
    this.#kind = kind;
    this.#durationMs = durationMs;
  }

  async run(attack: Attack): Promise<Outcome> {
    const rig = await this.#rigFor(attack);
    if (attack.largeKeys !== undefined) await rig.load(attack.largeKeys);
    return runAttack(attack, rig, this.#durationMs);
  }

  /** The server is not used for the attacks to come. */
  async stop(): Promise<void> {
    await this.#rig?.rig.stop();
    this.#rig = undefined;
  }

  async #rigFor(attack: Attack): Promise<Rig> {
    const key = Rig.keyOf(attack);
    if (this.#rig?.key === key && this.#rig.rig.server.running) return this.#rig.rig;
    await this.stop();
    const rig = await Rig.start(this.#kind, attack);
    this.#rig = { key, rig };
    return rig;
  }
}
