/** Calls a member, notes when what happened, and judges what every call has in common. */
import type { EtcdError } from '../../../src/base/etcd-error.ts';
import { etcdError } from '../../../src/base/etcd-error.ts';
import type { Outcome } from '../world/sim-network.ts';
import type { SimNode } from '../world/sim-node.ts';
import type { SimWorld } from '../world/sim-world.ts';
import { require } from '../world/violation.ts';

/** When a call was made, seen and answered, and how things stood. */
export interface Window {
  readonly invokedMs: number;
  /** When it reached the member; Infinity: it never did. */
  arrivedMs: number;
  /** The log's last index at these moments. */
  readonly invokedIndex: number;
  arrivedIndex: number;
  answeredIndex: number;
  /** The newest revision that any client knew when it was made. */
  readonly seenRevision: number;
}

export interface Called {
  readonly outcome: Outcome;
  readonly window: Window;
}

/** Errors after which nobody knows what came of the request. */
const OPEN_ERRORS: ReadonlySet<string> = new Set(
  (['Timeout', 'TimeoutDueToLeaderFail', 'TimeoutDueToConnectionLost', 'Stopped'] as const).map(
    (name) => etcdError(name).message,
  ),
);
/** Errors of a member that cannot just now. */
const BUSY_ERRORS: ReadonlySet<string> = new Set([
  etcdError('TooManyRequests').message,
  etcdError('NoLeader').message,
  etcdError('LeaderChanged').message,
]);
const LEARNER = etcdError('NotSupportedForLearner').message;
/** A leader that was removed takes no proposals any more. */
const DROPPED = 'raft proposal dropped';
const NO_SPACE = etcdError('NoSpace').message;

export class Caller {
  readonly world: SimWorld;
  readonly name: string;
  /** The member that it talks to as long as that one serves. */
  #home: SimNode;

  constructor(world: SimWorld, number: number) {
    this.world = world;
    this.name = `c${number}`;
    this.#home = world.nodes[number % world.nodes.length] as SimNode;
  }

  /** The member to talk to. */
  get node(): SimNode {
    if (this.#home.serving !== undefined) return this.#home;
    const others = this.world.nodes.filter(({ serving }) => serving !== undefined);
    return others.find(({ serving }) => serving?.isLearner === false) ?? others[0] ?? this.#home;
  }

  /** From here on it talks to another member. */
  moveOn(): void {
    const { nodes, marks } = this.world;
    const at = nodes.indexOf(this.#home);
    const others = [...nodes.slice(at + 1), ...nodes.slice(0, at)];
    const next = others.find(({ serving }) => serving !== undefined);
    if (next === undefined) return;
    this.#home = next;
    marks.hit('clientMoved');
  }

  /** Whether members may be at different places in the log. */
  get isCluster(): boolean {
    return this.world.nodes.length > 1;
  }

  /** Opens a window that is as wide as it can be. */
  window(): Window {
    const { nowMs, seenRevision, log } = this.world;
    const { index } = log.reference;
    return {
      invokedMs: nowMs,
      arrivedMs: Infinity,
      invokedIndex: index,
      arrivedIndex: index,
      answeredIndex: index,
      seenRevision,
    };
  }

  /** A call that is answered by a stream: `whole` puts the answer together once it has ended well. Gives up if told so. */
  gather(
    path: string,
    request: Uint8Array,
    part: (bytes: Uint8Array) => void,
    whole: () => Uint8Array,
    giveUpMs?: number,
  ): Promise<Called> {
    const { world } = this;
    const window = this.window();
    return new Promise((resolve, reject) => {
      const settle = (outcome: Outcome): void => {
        window.answeredIndex = world.log.reference.index;
        resolve({ outcome, window });
      };
      const ended = (error: EtcdError | undefined): void => {
        try {
          settle(error === undefined ? { kind: 'reply', bytes: whole() } : { kind: 'error', error });
        } catch (broken) {
          reject(broken instanceof Error ? broken : new Error(String(broken)));
        }
      };
      const client = { message: part, ended, broken: () => settle({ kind: 'unknown' }) };
      const stream = world.network.openStream(this.node, path, client, request);
      if (stream === undefined) settle({ kind: 'refused' });
      else if (giveUpMs !== undefined) {
        world.scheduler.after(giveUpMs, `${this.name} gives up`, () => {
          stream.cancel();
          settle({ kind: 'unknown' });
        });
      }
    });
  }

  async call(path: string, request: Uint8Array): Promise<Called> {
    const { world } = this;
    const { reference } = world.log;
    const window = this.window();
    const { node } = this;
    const outcome = await world.network.call(node, path, request, {
      arrived: () => {
        window.arrivedMs = world.nowMs;
        window.arrivedIndex = reference.index;
      },
      answered: () => {
        window.answeredIndex = reference.index;
        if (node.serving?.member?.core.parts.node.isLeader === false) world.marks.hit('servedByFollower');
        if (node.serving?.isLearner === true) world.marks.hit('servedByLearner');
      },
    });
    if (outcome.kind === 'unknown') window.answeredIndex = reference.index;
    return { outcome, window };
  }

  /** Whether the error only says that the member could not, or not in time. Then it says nothing about the data. */
  isTemporary(error: EtcdError): boolean {
    const { message } = error;
    if (message.startsWith(etcdError('Timeout').message)) this.world.marks.hit('timeout');
    if (message === LEARNER) {
      this.world.marks.hit('learnerRefuses');
      this.moveOn();
      return true;
    }
    if (message === DROPPED && this.world.roster.changes('remove').length > 0) return true;
    if (OPEN_ERRORS.has(message) || BUSY_ERRORS.has(message)) return true;
    if (message !== NO_SPACE || this.world.plan.knobs.quotaBytes === 0) return false;
    this.world.marks.hit('noSpace');
    return true;
  }

  /**
   * Judges the answer to a request that went through the log, marked with `tag`. `text` is the answer as text; undefined
   * unless there is one.
   */
  judgeLogged(tag: number, { outcome, window }: Called, text: string | undefined): void {
    const { log } = this.world;
    const applied = log.appliedOf(tag);
    switch (outcome.kind) {
      case 'reply': {
        require(applied !== undefined, 'acknowledged, not applied', () => `#${tag}: ${text}`);
        const expected = applied.error?.message ?? applied.answer;
        require(text === expected, 'wrong answer', () => `#${tag} got "${text}", should be "${expected}"`);
        const inTime = applied.index > window.invokedIndex && applied.index <= window.answeredIndex;
        require(inTime, 'not in its time', () => `#${tag} applied at ${applied.index}, ${JSON.stringify(window)}`);
        return;
      }
      case 'error': {
        const { message } = outcome.error;
        if (message === DROPPED) log.refused(tag);
        if (this.isTemporary(outcome.error)) return;
        const expected = applied?.error?.message ?? applied?.answer ?? 'not applied';
        require(message === expected, 'wrong answer', () => `#${tag} got "${message}", should be "${expected}"`);
        return;
      }
      case 'refused':
        log.refused(tag);
        return;
      case 'unknown':
        this.world.unknownTags.push(tag);
    }
  }
}
