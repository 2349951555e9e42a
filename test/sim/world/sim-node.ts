/** A machine, and the member that runs on it: the real one, over a simulated disk, database and clock. */
import type { ServerConfig } from '../../../src/config/server-config.ts';
import { Member, type MemberParts } from '../../../src/embed/member.ts';
import type { Platform } from '../../../src/embed/member-state.ts';
import { createEtcdMetrics } from '../../../src/observability/etcd-metrics.ts';
import type { RootLogger } from '../../../src/observability/logger.ts';
import { MetricRegistry } from '../../../src/observability/metric-registry.ts';
import { ServiceRegistry } from '../../../src/rpc/service-registry.ts';
import { registerCluster } from '../../../src/rpc/services/cluster-service.ts';
import { registerKv } from '../../../src/rpc/services/kv-service.ts';
import { registerLease } from '../../../src/rpc/services/lease-service.ts';
import { registerMaintenance } from '../../../src/rpc/services/maintenance-service.ts';
import { registerWatch } from '../../../src/rpc/services/watch-service.ts';
import { HeldBytes } from '../../../src/server/held-bytes.ts';
import { KvApi } from '../../../src/server/kv-api.ts';
import { MaintenanceApi } from '../../../src/server/maintenance-api.ts';
import { AssertionError } from '../../../src/base/assert.ts';
import { SeededRandom } from '../../../src/base/random.ts';
import type { Entry } from '../../../src/gen/raftpb.ts';
import type { Knobs } from '../plan.ts';
import type { Mark } from './marks.ts';
import { type PeersHost, SimPeers } from './sim-peers.ts';
import { Machine } from './machine.ts';
import { ProcessFiles } from './process-files.ts';
import { SimClock } from './sim-clock.ts';
import { SimDatabase } from './sim-database.ts';
import { SimDisk } from './sim-disk.ts';
import type { Trace } from './trace.ts';
import { Violation } from './violation.ts';

/** Nobody looks at them; they are made once because they cost more than a short run. */
const METRICS = createEtcdMetrics(new MetricRegistry());
/** A process that ended by itself is started again after this. */
const SUPERVISOR_MS = 300;
/** As the command: after a signal the process is gone by then, whatever still hangs. */
const STOP_DEADLINE_MS = 1400;
/** How long calls under way get to end when the server stops. */
const STOP_GRACE_MS = 800;

/** How long a process still answers after it has decided to start again. */
const ANSWER_MS = 50;

export interface NodeHost extends PeersHost {
  readonly trace: Trace;
  /** Its state is read from the disk, and nothing has happened yet. */
  opened(process: SimProcess): void;
  closed(process: SimProcess): void;
  /** Just before the process applies it. */
  entry(process: SimProcess, entry: Entry): void;
  /** Serves clients from now on. */
  started(process: SimProcess): void;
  failed(violation: Violation): void;
}

export class SimNode {
  readonly name: string;
  readonly disk: SimDisk;
  readonly database: SimDatabase;
  readonly machine: Machine;
  readonly #host: NodeHost;
  readonly #knobs: Knobs;
  readonly #random: SeededRandom;
  #config: ServerConfig | undefined;
  #process: SimProcess | undefined;
  /** Processes so far. */
  #starts = 0;
  #cancelStart: (() => void) | undefined;
  /** Whether it has ever served. */
  #hasServed = false;

  constructor(host: NodeHost, name: string, seed: number, knobs: Knobs) {
    const { scheduler, marks } = host;
    this.#host = host;
    this.name = name;
    this.#knobs = knobs;
    this.#random = new SeededRandom(seed);
    const diskRandom = new SeededRandom(seed + 1);
    const { lookCostMs, syncMs, commitMs, visibleAtOnce } = knobs;
    const machine = new Machine(scheduler, name, lookCostMs);
    this.machine = machine;
    this.disk = new SimDisk(scheduler, machine, diskRandom, marks, seed + 2, syncMs);
    this.database = new SimDatabase({ scheduler, machine, random: diskRandom, marks, commitMs, visibleAtOnce });
  }

  /** The process, from its start to its death. */
  get process(): SimProcess | undefined {
    return this.#process;
  }

  /** The process, if it serves clients. */
  get serving(): SimProcess | undefined {
    const process = this.#process;
    return process?.alive === true && process.isServing ? process : undefined;
  }

  start(): void {
    if (this.#process !== undefined) return;
    this.#cancelStart?.();
    this.#cancelStart = undefined;
    const { scheduler, trace, roster } = this.#host;
    const isNew = !this.#hasServed && !roster.isFounder(this.name);
    if (isNew && roster.isRemoved(this.name)) return;
    // The flags about the cluster count until there is a log.
    if (isNew || this.#config === undefined) this.#config = roster.configOf(this.name);
    this.#starts++;
    this.machine.reset();
    trace.line(scheduler.nowMs, `${this.name} starts for the ${this.#starts}. time`);
    const process = new SimProcess(
      this,
      this.#host,
      `${this.name}.${this.#starts}`,
      new SeededRandom(this.#random.uint32()),
    );
    this.#process = process;
    if (this.powerLossAtStart !== undefined) {
      const { files } = this.disk;
      files.faults.powerLossAtStep = files.steps + this.powerLossAtStart;
      this.powerLossAtStart = undefined;
    }
    const { segmentBytes, inlineSync, fillAhead } = this.#knobs;
    const { mutation } = this.#host;
    const files = new ProcessFiles(this.disk.files, () => process.alive);
    const platform: Platform = {
      files: mutation?.files?.(files) ?? files,
      lockDirectory: () => () => {},
      openBackend: (path) => {
        const backend = this.database.open(files, path, () => process.alive);
        return mutation?.backend?.(backend) ?? backend;
      },
      wal: { segmentBytes, inlineSync, fillAhead },
    };
    void process.boot(this.#config, platform).then((started) => {
      if (started) this.#hasServed = true;
    });
  }

  /** Kills the process; with `powerLoss` the machine forgets what was not on disk. */
  crash(powerLoss: boolean, downMs: number): void {
    const process = this.#process;
    if (process === undefined) return;
    const { scheduler, trace, marks } = this.#host;
    trace.line(scheduler.nowMs, `${this.name} ${powerLoss ? 'loses power' : 'is killed'}, for ${downMs} ms`);
    if (!process.isServing) marks.hit(this.#hasServed ? 'crashWhileStarting' : 'crashOnFirstStart');
    this.#process = undefined;
    process.die();
    if (powerLoss) this.disk.files.crash();
    else this.disk.files.kill();
    this.database.crash(powerLoss);
    this.#startAfter(downMs);
  }

  /** Its process has ended for good: it does not belong to the cluster any more. */
  retire(): void {
    const process = this.#process;
    if (process === undefined) return;
    this.#process = undefined;
    process.die();
    this.disk.files.kill();
    this.database.crash(false);
  }

  /** Ends the process as a signal does. */
  stop(downMs: number): void {
    const process = this.serving;
    if (process === undefined || process.isStopping) return;
    const { scheduler, trace } = this.#host;
    trace.line(scheduler.nowMs, `${this.name} is told to stop`);
    void process.stop().then(() => {
      if (this.#process === process) this.crash(false, downMs);
    });
  }

  /** After each event: the power may have gone, or the process ended itself. */
  afterEvent(): void {
    const process = this.#process;
    if (process === undefined) return;
    if (this.disk.files.powerLost) {
      this.#host.marks.hit('powerLossInWrite');
      this.crash(true, this.powerLossDownMs);
    } else if (process.hasLeft) this.retire();
    else if (process.hasExited) this.crash(false, SUPERVISOR_MS);
  }

  /** The next process loses its power at this operation on the disk. */
  powerLossAtStart: number | undefined;

  /** How long the machine is off after a power loss in the middle of a write. */
  powerLossDownMs = SUPERVISOR_MS;

  #startAfter(downMs: number): void {
    this.#cancelStart?.();
    this.#cancelStart = this.#host.scheduler.after(downMs, `${this.name} start`, () => this.start());
  }
}

export class SimProcess {
  readonly node: SimNode;
  readonly name: string;
  readonly services = new ServiceRegistry();
  readonly #host: NodeHost;
  readonly #onDeath = new Set<() => void>();
  #member: Member | undefined;
  #dead = false;
  #exited = false;
  #left = false;
  #callsUnderWay = 0;
  readonly peers: SimPeers;
  readonly #clock: SimClock;
  /** Whether the disk or the database failed under it. */
  hadFault = false;
  isServing = false;
  isStopping = false;

  constructor(node: SimNode, host: NodeHost, name: string, random: SeededRandom) {
    this.node = node;
    this.#host = host;
    this.name = name;
    this.hadFault = node.disk.faulty;
    this.#clock = new SimClock(host.scheduler, random, node.machine, name, () => this.alive);
    this.peers = new SimPeers(host, this, random, (nowMs) => this.#clock.monotonicOf(nowMs));
  }

  /** From the moment of its death on, nothing that it does counts. */
  get alive(): boolean {
    return !this.#dead && !this.#exited && !this.node.disk.files.powerLost;
  }

  /** It gave up by itself. */
  get hasExited(): boolean {
    return this.#exited;
  }

  /** It gave up because it was removed from the cluster. */
  get hasLeft(): boolean {
    return this.#left;
  }

  /** A learner answers little. */
  get isLearner(): boolean {
    const member = this.#member;
    return member?.state.cluster.member(member.state.memberId)?.isLearner === true;
  }

  /** Once opened. */
  get member(): Member | undefined {
    return this.#member;
  }

  /** True when it has come to serve clients. */
  async boot(config: ServerConfig, platform: Platform): Promise<boolean> {
    try {
      const member = await Member.open(this.#memberParts(config, platform));
      if (!this.alive) return false;
      this.#member = member;
      const { finishedCompactRev, compactRev } = member.state.store;
      if (finishedCompactRev < compactRev) this.#host.marks.hit('compactionResumed');
      this.#host.mutation?.member?.(member);
      this.#host.opened(this);
      this.#register(member);
      await member.start();
      if (!this.alive) return false;
      this.isServing = true;
      this.#host.mutation?.serving?.(member);
      this.#host.started(this);
      return true;
    } catch (error) {
      if (!this.alive) return false;
      this.#fatal('failed to start', error);
      return false;
    }
  }

  /** Nobody caught what it threw. */
  crashed(error: unknown): void {
    if (this.mayFailWith(error)) this.#fatal('uncaught exception', error);
    else this.fail(new Violation('exception', error instanceof Error ? (error.stack ?? error.message) : String(error)));
  }

  die(): void {
    this.#dead = true;
    this.#host.closed(this);
    for (const callback of this.#onDeath) callback();
    this.#onDeath.clear();
  }

  /** What becomes of work for others when this process dies: nobody ever knows. */
  unlessDead<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const forget = this.onDeath(() => reject(new Error(`${this.name} died`)));
      work.then(resolve, reject).finally(forget);
    });
  }

  /** The returned function forgets the callback. */
  onDeath(callback: () => void): () => void {
    this.#onDeath.add(callback);
    return () => void this.#onDeath.delete(callback);
  }

  /** Whether an error of a handler is nobody's fault: the disk failed, or the process is dead. */
  mayFailWith(error: unknown): boolean {
    return !this.alive || (this.hadFault && !(error instanceof AssertionError));
  }

  fail(violation: Violation): void {
    this.#host.failed(violation);
  }

  busy(by: number): void {
    this.#callsUnderWay += by;
  }

  /** As the command does: hands over, answers what is under way, and ends in any case when its time is up. */
  async stop(): Promise<void> {
    this.isStopping = true;
    const { scheduler } = this.#host;
    const stopped = this.#stopInOrder().catch((error: unknown) => this.#fatal('failed to stop', error));
    await Promise.race([stopped, scheduler.sleep(STOP_DEADLINE_MS, 'stop')]);
    this.isServing = false;
  }

  async #stopInOrder(): Promise<void> {
    const { scheduler } = this.#host;
    const member = this.#member as Member;
    await member.handOver();
    this.isServing = false;
    const graceMs = scheduler.nowMs + STOP_GRACE_MS;
    while (this.#callsUnderWay > 0 && scheduler.nowMs < graceMs) await scheduler.sleep(10, 'stop');
    if (this.alive) await member.stop();
  }

  /** What the real process ends itself for. Without a fault that explains it, it should not have come to that. */
  #fatal(what: string, error: unknown): void {
    if (!this.alive) return;
    const { scheduler, trace } = this.#host;
    const text = error instanceof Error ? error.message : String(error);
    trace.line(scheduler.nowMs, `${this.name} ends itself: ${what}: ${text}`);
    this.#exited = true;
    this.isServing = false;
    if (this.hadFault || this.#mayFailToJoin(text)) return;
    const details = error instanceof Error ? error.stack : text;
    this.fail(new Violation('fatal', `${this.name} ended itself without reason: ${what}: ${details}`));
  }

  /** Whoever joins needs others that answer, and flags that fit what they say: its operator tries again. */
  #mayFailToJoin(error: string): boolean {
    if (this.#member !== undefined || this.#host.roster.isFounder(this.node.name)) return false;
    this.#host.marks.hit('joinRepeated');
    return /^cannot fetch cluster info|^error validating peerURLs|^incompatible with current running cluster: its members say unknown/.test(
      error,
    );
  }

  #leave(): void {
    if (!this.alive) return;
    const { scheduler, trace, roster, marks } = this.#host;
    trace.line(scheduler.nowMs, `${this.name} ends: it was removed from the cluster`);
    this.#left = this.#exited = true;
    this.isServing = false;
    marks.hit('removedLeft');
    if (!roster.isRemoved(this.node.name)) this.fail(new Violation('left', `${this.name} left, and was not removed`));
  }

  /** The process replaces itself once it has answered. */
  #startAgain(): void {
    const { scheduler, trace } = this.#host;
    const end = (): void => {
      if (!this.alive) return;
      trace.line(scheduler.nowMs, `${this.name} starts again`);
      this.#exited = true;
      this.isServing = false;
    };
    scheduler.after(ANSWER_MS, `${this.name} starts again`, end, this.node.machine);
  }

  #memberParts(config: ServerConfig, platform: Platform): MemberParts {
    const { mutation } = this.#host;
    return {
      config,
      platform,
      network: this.peers,
      onSnapshotStored: () => this.#startAgain(),
      onRemoved: () => this.#leave(),
      clock: mutation?.clock?.(this.#clock) ?? this.#clock,
      logger: this.#logger(),
      metrics: METRICS,
      onFatal: (what, error) => this.#fatal(what, error),
      onEntry: (entry) => {
        if (this.alive) this.#host.entry(this, entry);
      },
    };
  }

  #register(member: Member): void {
    const { core, hub, flusher, compactor } = member;
    registerKv(this.services, core, new KvApi(core, compactor, new HeldBytes(core.parts.clock)));
    registerWatch(this.services, core, hub);
    registerLease(this.services, core, member.leaseApi);
    registerCluster(this.services, member.clusterApi);
    registerMaintenance(this.services, core, new MaintenanceApi(core, flusher), member.snapshots);
  }

  #logger(): RootLogger {
    const log = (message: string, fields?: Record<string, unknown>): void => {
      if (!this.alive) return;
      const mark = MARK_OF_MESSAGE.get(message);
      if (mark !== undefined) this.#host.marks.hit(mark);
      const { scheduler, trace } = this.#host;
      trace.line(scheduler.nowMs, `${this.name} logs: ${message}`, fields && (() => show(fields)));
    };
    const logger: RootLogger = {
      debug: log,
      info: log,
      warn: log,
      error: log,
      panic: log,
      fatal: log,
      child: () => logger,
    };
    return logger;
  }
}

const MARK_OF_MESSAGE: ReadonlyMap<string, Mark> = new Map([
  ['cut off a torn write at the end of the WAL', 'tornTail'],
  ['created a new WAL segment', 'segmentCut'],
  ['deleted a WAL file that is no longer needed', 'segmentReleased'],
  ['marked a snapshot', 'logMarked'],
  ['taking over a snapshot from the leader', 'snapshotTakenOver'],
  ['handed the leadership over', 'handedOver'],
]);

function show(fields: Record<string, unknown>): string {
  return JSON.stringify(fields, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
}
