/** The state of all members, as far as they answer. However many dashboards are open, members are asked once a second. */
import type { Clock } from '../../ports/clock.ts';
import type { ClusterView, MemberView } from '../../ui/cluster-view.ts';
import { messageOf } from '../health-source.ts';
import type { ClusterSource, KnownMember } from './cluster-source.ts';

export const CACHED_MS = 1000;
const STATUS_TIMEOUT_MS = 1500;
/** Far more than any cluster has; the rest would be listed without a status. */
const MEMBERS_ASKED_MAX = 32;

type Collected = Omit<ClusterView, 'gateway'>;

export class ClusterCollector {
  readonly #source: ClusterSource;
  readonly #clock: Clock;
  #latest: { readonly startedMs: number; readonly view: Promise<Collected> } | undefined;

  constructor(source: ClusterSource, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  /** Of about now. Rejects with an EtcdError if who shows this token may not look. */
  async view(token: string | undefined): Promise<Collected> {
    await this.#source.permit(token);
    const nowMs = this.#clock.monotonicMs();
    // Shared by all who may look: what members say is the same for any user.
    if (this.#latest === undefined || nowMs - this.#latest.startedMs >= CACHED_MS) {
      this.#latest = { startedMs: nowMs, view: this.#collect(token) };
    }
    return this.#latest.view;
  }

  async #collect(token: string | undefined): Promise<Collected> {
    const { members, status, ...own } = this.#source.own();
    const asked = members.map(async (member, index): Promise<MemberView> => {
      if (member.id === own.memberId) return { ...member, status };
      return index < MEMBERS_ASKED_MAX ? this.#ask(member, token) : { ...member, error: 'not asked' };
    });
    return { ...own, members: await Promise.all(asked) };
  }

  async #ask(member: KnownMember, token: string | undefined): Promise<MemberView> {
    try {
      return { ...member, status: await this.#source.status(member.clientURLs, token, STATUS_TIMEOUT_MS) };
    } catch (error) {
      return { ...member, error: messageOf(error) };
    }
  }
}
