/**
 * A run as data: what is set, what clients do, what goes wrong and when. Everything else that is random in the run comes
 * from `seed`, so that a plan always gives the same run. Whole operations and faults can be left out of it.
 */

export interface Plan {
  readonly seed: number;
  readonly knobs: Knobs;
  readonly clients: readonly ClientPlan[];
  /** In any order. */
  readonly faults: readonly Fault[];
}

export interface Knobs {
  /** How many members there are. */
  readonly members: number;
  /** When the faults stop. */
  readonly horizonMs: number;
  readonly electionMs: number;
  readonly heartbeatMs: number;
  readonly batchIntervalMs: number;
  readonly snapshotCount: number;
  readonly catchupEntries: number;
  readonly segmentBytes: number;
  readonly walFilesMax: number;
  readonly inlineSync: boolean;
  readonly fillAhead: boolean;
  /** How long a sync and a commit of the database usually take. */
  readonly syncMs: number;
  readonly commitMs: number;
  /** What a look at the clock costs at most. */
  readonly lookCostMs: number;
  readonly networkMs: number;
  /** Views of the database see a commit before it is done. */
  readonly visibleAtOnce: boolean;
  /** 0: no limit. */
  readonly quotaBytes: number;
  /** Half a MiB more than this, and a response to a watch is cut. */
  readonly requestBytesMax: number;
  readonly progressMs: number;
  /** How many bytes of backlog a byte in a stream counts for: makes small streams slow ones. */
  readonly backlogWeight: number;
  /** How the run ends: with a restart after this. */
  readonly lastRestart: 'stop' | 'kill' | 'powerLoss';
  /** Changes of the members after which those that run could not decide are refused; by default they are not. */
  readonly strictReconfig?: boolean;
  /** How often the leader tells the others what is left of leases; by default never. */
  readonly leaseCheckpointMs?: number;
}

export interface ClientPlan {
  readonly operations: readonly Operation[];
}

interface OperationBase {
  /** How long the client waits before it. */
  readonly afterMs: number;
}

/** Revisions are told as so many back from the newest one known; negative: in the future. */
export type Operation = OperationBase & Action;

export type Action =
  | PutAction
  | { readonly kind: 'delete'; readonly key: string; readonly end?: string; readonly prevKv?: boolean }
  | RangeAction
  /** Reads the key, then puts it if it was not changed since. */
  | { readonly kind: 'swap'; readonly key: string }
  | TxnAction
  /** Puts keys of that many numbers in one transaction. */
  | { readonly kind: 'fill'; readonly from: number; readonly count: number }
  | { readonly kind: 'compact'; readonly back: number; readonly physical?: boolean }
  /** `slot` names the lease for other operations. The server picks the id if `anyId`. */
  | { readonly kind: 'grant'; readonly slot: number; readonly ttl: number; readonly anyId?: boolean }
  | { readonly kind: 'keepAlive'; readonly slot: number }
  | { readonly kind: 'revoke'; readonly slot: number }
  | { readonly kind: 'timeToLive'; readonly slot: number }
  | { readonly kind: 'leases' }
  | WatchAction
  | { readonly kind: 'cancelWatch'; readonly watch: number }
  | { readonly kind: 'askProgress' }
  /** The client's watch connection breaks; the server lives on. */
  | { readonly kind: 'hangUp' }
  | { readonly kind: 'hash'; readonly back?: number }
  | { readonly kind: 'defragment' }
  /** The client goes away after `giveUpMs`. */
  | { readonly kind: 'snapshot'; readonly giveUpMs?: number }
  | { readonly kind: 'status' }
  /** To the member of this number. */
  | { readonly kind: 'moveLeader'; readonly to: number }
  /** Of a new machine, which starts once it belongs to the cluster. */
  | { readonly kind: 'addMember'; readonly learner: boolean }
  /** The first learner that there is. */
  | { readonly kind: 'promoteMember' }
  /** Of those that there are, the one of this number; with `replace`, a new one is added then. */
  | { readonly kind: 'removeMember'; readonly which: number | 'leader'; readonly replace?: boolean }
  /** Gives it another address. */
  | { readonly kind: 'updateMember'; readonly which: number }
  | { readonly kind: 'listMembers'; readonly linearizable: boolean }
  | LockAction
  /** Compacts, defragments and clears the alarm, as an operator does when the space is used up. */
  | { readonly kind: 'disarm' };

export interface PutAction {
  readonly kind: 'put';
  readonly key: string;
  readonly bytes?: number;
  readonly slot?: number;
  readonly prevKv?: boolean;
  readonly ignoreValue?: boolean;
  readonly ignoreLease?: boolean;
}

export interface RangeAction {
  readonly kind: 'range';
  readonly key: string;
  readonly end?: string;
  readonly back?: number;
  readonly limit?: number;
  readonly keysOnly?: boolean;
  readonly countOnly?: boolean;
  readonly serializable?: boolean;
  /** In chunks. */
  readonly stream?: boolean;
}

export interface TxnAction {
  readonly kind: 'txn';
  /** Holds if the key exists, or if it does not. */
  readonly ifKey: string;
  readonly exists: boolean;
  readonly success: readonly TxnStep[];
  readonly failure: readonly TxnStep[];
}

export type TxnStep =
  | { readonly put: string; readonly slot?: number; readonly prevKv?: boolean }
  | { readonly delete: string; readonly end?: string; readonly prevKv?: boolean }
  | { readonly range: string; readonly end?: string };

/** Takes a lock as etcd's client library does, with a lease of its own, works under it and gives it back. */
export interface LockAction {
  readonly kind: 'lock';
  readonly name: string;
  readonly ttl: number;
  /** Between two writes under the lock. */
  readonly workMs: number;
  readonly writes: number;
  /** Keeps the lease alive; else works on until it finds out that it has ended. */
  readonly keeps: boolean;
}

export interface WatchAction {
  readonly kind: 'watch';
  readonly key: string;
  readonly end?: string;
  /** undefined: from now on. */
  readonly back?: number;
  readonly prevKv?: boolean;
  readonly noPut?: boolean;
  readonly noDelete?: boolean;
  readonly progress?: boolean;
  readonly fragment?: boolean;
}

interface FaultBase {
  readonly atMs: number;
  /** Which member it befalls; the first one if not told, or if there is no leader. */
  readonly node?: number | 'leader';
}

export type Fault = FaultBase &
  (
    | { readonly kind: 'powerLoss'; readonly downMs: number }
    /** At the operation on the disk that comes so many from now. */
    | { readonly kind: 'powerLossInWrite'; readonly steps: number; readonly downMs: number }
    /** Likewise, of whoever receives the next snapshot: while it stores it, or at its next start, when it takes it over. */
    | {
        readonly kind: 'powerLossInSnapshot';
        readonly steps: number;
        readonly atStart: boolean;
        readonly downMs: number;
      }
    | { readonly kind: 'kill'; readonly downMs: number }
    | { readonly kind: 'stop'; readonly downMs: number }
    | { readonly kind: 'slowDisk'; readonly forMs: number; readonly syncMs: number }
    /** Nothing that the disk is asked to do ends before this is over. */
    | { readonly kind: 'stuckDisk'; readonly forMs: number }
    | { readonly kind: 'slowCommit'; readonly forMs: number; readonly commitMs: number }
    | { readonly kind: 'syncError'; readonly forMs: number }
    | { readonly kind: 'writeError'; readonly forMs: number; readonly bytes: number }
    /** The members in `side` (a bit each; 0: the one that it befalls) and the others do not hear each other; `oneWay`: the others hear those in `side`. */
    | { readonly kind: 'partition'; readonly side: number; readonly forMs: number; readonly oneWay: boolean }
    /** Of all messages to and from the member, one in so many is lost; some come twice, or overtake others. */
    | { readonly kind: 'lossyLinks'; readonly forMs: number; readonly lossEvery: number }
    | { readonly kind: 'slowLinks'; readonly forMs: number; readonly delayMs: number }
    | { readonly kind: 'createError'; readonly forMs: number }
    | { readonly kind: 'commitError' }
    | { readonly kind: 'clockJump'; readonly byMs: number }
    | { readonly kind: 'slowCpu'; readonly forMs: number; readonly costMs: number }
    /** The process stands still, and whatever it has to do comes late. */
    | { readonly kind: 'pause'; readonly forMs: number }
    /** All watch streams stop reading. */
    | { readonly kind: 'slowWatcher'; readonly forMs: number }
  );

export type FaultKind = Fault['kind'];
