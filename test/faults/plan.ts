/** What goes wrong in which round: all of it from the seed. */
import { SeededRandom } from '../../src/base/random.ts';
import type { Fault } from './faults/fault.ts';

export interface Step {
  readonly fault: string;
  /** Made at the same time. */
  readonly alongside: string | undefined;
  readonly seed: number;
  readonly forMs: number;
  /** Of peace afterwards. */
  readonly restMs: number;
}

export interface RoundPlan {
  readonly seed: number;
  readonly round: number;
  readonly steps: readonly Step[];
  /** Whether somebody compacts the store all the while. */
  readonly compacts: boolean;
}

const STEPS = 3;
const ALONGSIDE_PERCENT = 35;

/** `faults`: what can be made. Rounds deal from one shuffled pack after the other, so that each fault has its turn. */
export function planRound(seed: number, round: number, faults: readonly Fault[], steps = STEPS): RoundPlan {
  const pack = new Pack(seed, faults);
  for (let dealt = 0; dealt < (round - 1) * steps; dealt++) pack.next();
  const random = new SeededRandom(seed * 100_003 + round);
  const links = faults.filter(({ takesMembers }) => !takesMembers);
  return {
    seed,
    round,
    compacts: round % 2 === 0,
    steps: Array.from({ length: steps }, (): Step => {
      const fault = pack.next();
      const other = links[random.below(Math.max(1, links.length))];
      const isDouble = random.below(100) < ALONGSIDE_PERCENT && faults.length > 1 && other !== fault;
      const forMs = (1200 + random.below(2400)) * (fault.lasts ?? 1);
      return {
        fault: fault.name,
        alongside: isDouble ? other?.name : undefined,
        seed: random.below(2 ** 32),
        forMs,
        restMs: 300 + random.below(1200),
      };
    }),
  };
}

class Pack {
  readonly #random: SeededRandom;
  readonly #faults: readonly Fault[];
  #rest: Fault[] = [];

  constructor(seed: number, faults: readonly Fault[]) {
    if (faults.length === 0) throw new Error('no fault can be made');
    this.#random = new SeededRandom(seed);
    this.#faults = faults;
  }

  next(): Fault {
    if (this.#rest.length === 0) this.#rest = [...this.#faults];
    const [fault] = this.#rest.splice(this.#random.below(this.#rest.length), 1);
    return fault as Fault;
  }
}
