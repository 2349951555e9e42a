/** Commands to a cluster of one kind, with what they printed in terms that do not depend on the kind, ids, ports or times. */
import { etcdctl, RunningTool, type ToolOptions } from './etcdctl.ts';
import type { ServerKind } from './server-process.ts';
import { type ClusterMember, TestCluster } from './test-cluster.ts';

export interface ClusterToolOptions extends ToolOptions {
  /** Lists come in the order of ids, which are random: sorts the lines. */
  readonly sorted?: boolean;
  /** Not for the transcript: the caller notes what can be compared. */
  readonly quiet?: boolean;
}

export class ClusterSession {
  readonly kind: ServerKind;
  readonly cluster: TestCluster;
  readonly #names = new Map<string, string>();
  /** In the order in which they were first seen: locks and leases make each cluster's data its own. */
  readonly #hashes: string[] = [];
  #transcript = '';

  /** Founders are m1, m2 and m3; m1 leads. */
  static async start(kind: ServerKind, flags: readonly string[]): Promise<ClusterSession> {
    const session = new ClusterSession(kind, await TestCluster.start([kind, kind, kind], flags));
    for (const member of session.cluster.members) session.#learn(member);
    return session;
  }

  private constructor(kind: ServerKind, cluster: TestCluster) {
    this.kind = kind;
    this.cluster = cluster;
  }

  member(name: string): ClusterMember {
    const member = this.cluster.members.find((one) => one.name === name);
    if (member === undefined) throw new Error(`no member ${name}`);
    return member;
  }

  id(name: string): string {
    return this.member(name).id.toString(16);
  }

  /** The endpoints of these members as etcdctl takes them. */
  endpoints(...names: readonly string[]): string {
    return names.map((name) => this.member(name).server.endpoint).join(',');
  }

  async handTo(name: string): Promise<void> {
    const leader = await this.cluster.leader();
    if (leader.name !== name) await leader.client.moveLeader(this.member(name).id);
    if ((await this.cluster.leader()).name !== name) throw new Error(`${name} does not lead`);
  }

  async join(peerUrl: string): Promise<ClusterMember> {
    const member = await this.cluster.join(this.kind, peerUrl);
    this.#learn(member);
    return member;
  }

  /** Runs etcdctl through the members named in `through` (with commas) and adds command, exit code and output. */
  async run(through: string, args: readonly string[], options: ClusterToolOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await etcdctl(this.endpoints(...through.split(',')), args, options);
    // The client library's own log lines tell of its retries.
    const errors = stderr.split('\n').filter((line) => line !== '' && !line.startsWith('{"level"'));
    if (options.quiet === true) return stdout;
    const output = `${stdout}${errors.map((line) => `! ${line}\n`).join('')}`;
    const lines = this.#normal(output).split('\n');
    if (options.sorted === true) lines.sort();
    this.note(`${through}$ etcdctl ${this.#normal(args.join(' '))} -> ${code}\n${lines.join('\n')}\n`);
    return stdout;
  }

  running(through: string, args: readonly string[]): RunningTool {
    return new RunningTool(this.endpoints(...through.split(',')), args, { timeoutMs: 60_000 });
  }

  note(text: string): void {
    this.#transcript += this.#normal(text);
  }

  /** Lines in an order that does not depend on ids. */
  noteSorted(lines: readonly string[]): void {
    this.#transcript += `${lines
      .map((line) => this.#normal(line))
      .sort()
      .join('\n')}\n`;
  }

  /** From now on the hexadecimal id is shown as `name`; also in decimal, and without its leading zeros. */
  name(id: string, name: string): void {
    this.#names.set(id, name);
    this.#names.set(id.replace(/^0+/, ''), name);
    this.#names.set(BigInt(`0x${id}`).toString(), name);
  }

  address(address: string, name: string): void {
    this.#names.set(address, name);
  }

  /** The transcript since the last call. */
  take(): string {
    const text = this.#transcript;
    this.#transcript = '';
    return text;
  }

  #learn(member: ClusterMember): void {
    this.name(member.id.toString(16), member.name.toUpperCase());
    this.address(member.server.endpoint, `${member.name.toUpperCase()}-CLIENT`);
    this.address(new URL(member.peerUrl).host, `${member.name.toUpperCase()}-PEER`);
  }

  #normal(output: string): string {
    let text = output;
    for (const [id, name] of this.#names) text = text.replaceAll(id, name);
    return (
      text
        // Since 3.6 the hashed revision is told too.
        .replace(
          /(-CLIENT, )(\d+)(?:, \d+)?$/gm,
          (_, before: string, hash: string) => `${before}${this.#hashName(hash)}`,
        )
        // An id has fewer than 16 digits once in 16 times; blanks take their place.
        .replace(/^Member +/gm, 'Member ')
        .replace(/took( =)? [\d.]+\S*s\b/g, 'took$1 TIME')
        .replace(/(cluster|cluster_id"?:) *[0-9a-f]{8,20}\b/g, '$1 CLUSTER')
        .replace(/"(raft_term|raftTerm|raftIndex|raftAppliedIndex|dbSize|dbSizeInUse)":\d+/g, '"$1":NUMBER')
        .replace(/"version":"3[.\d]+"/g, '"version":VERSION')
        .replace(/ETCD_INITIAL_CLUSTER="([^"]*)"/g, (_, list: string) => `INITIAL ${list.split(',').sort().join(',')}`)
    );
  }

  #hashName(hash: string): string {
    if (!this.#hashes.includes(hash)) this.#hashes.push(hash);
    return `HASH${this.#hashes.indexOf(hash)}`;
  }
}
