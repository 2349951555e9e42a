/** The members: one row each, its cells changed in place so that what somebody selects stays selected. */
import type { ClusterView, MemberView } from './cluster-view.ts';
import { el, setText, setTitle } from './dom.ts';
import { bytes, count, NONE, percent, seconds } from './format.ts';
import { lag } from './readings.ts';

const COLUMNS = ['Member', 'Role', 'Term', 'Applied index', 'Lag', 'Round trip', 'Database', 'Version'] as const;
type Column = (typeof COLUMNS)[number];
const NUMERIC: ReadonlySet<Column> = new Set(['Term', 'Applied index', 'Lag', 'Round trip', 'Database']);

interface MemberRow {
  readonly element: HTMLElement;
  readonly dot: HTMLElement;
  readonly name: HTMLElement;
  readonly detail: HTMLElement;
  readonly cells: ReadonlyMap<Column, HTMLElement>;
  readonly database: HTMLElement;
  readonly meter: HTMLMeterElement;
  readonly trouble: HTMLElement;
}

export class MembersTable {
  readonly element: HTMLElement;
  readonly #body = el('tbody');
  readonly #rows = new Map<string, MemberRow>();

  constructor() {
    const head = COLUMNS.map((name) => el(NUMERIC.has(name) ? 'th.number' : 'th', { scope: 'col' }, name));
    this.element = el(
      'section.card.members',
      { 'aria-label': 'Members' },
      el('table', {}, el('thead', {}, el('tr', {}, ...head)), this.#body),
    );
  }

  show(cluster: ClusterView): void {
    const ids = cluster.members.map(({ id }) => id);
    for (const [id, { element }] of this.#rows) {
      if (ids.includes(id)) continue;
      element.remove();
      this.#rows.delete(id);
    }
    // By name, as one looks for them.
    const sorted = cluster.members.toSorted((a, b) => nameOf(a).localeCompare(nameOf(b), 'en', { numeric: true }));
    sorted.forEach((member, at) => {
      const row = this.#rows.get(member.id) ?? this.#add(member.id);
      if (this.#body.children[at] !== row.element)
        this.#body.insertBefore(row.element, this.#body.children[at] ?? null);
      fill(row, cluster, member);
    });
  }

  #add(id: string): MemberRow {
    const dot = el('span.dot');
    const name = el('span.name');
    const detail = el('span.detail');
    const trouble = el('span.trouble');
    const meter = el<HTMLMeterElement>('meter', { min: '0', max: '1', high: '0.8' });
    const database = el('span');
    const cells = new Map<Column, HTMLElement>(
      COLUMNS.map((column) => [column, el(NUMERIC.has(column) ? 'td.number' : 'td', { 'data-label': column })]),
    );
    cells.get('Member')?.append(el('div.who', {}, dot, el('div', {}, name, detail, trouble)));
    cells.get('Database')?.append(database, meter);
    const element = el('tr', { 'data-member': id }, ...cells.values());
    const row = { element, dot, name, detail, cells, database, meter, trouble };
    this.#rows.set(id, row);
    return row;
  }
}

function fill(row: MemberRow, cluster: ClusterView, member: MemberView): void {
  const { status, error } = member;
  const behind = lag(cluster, member);
  const set = (column: Column, text: string): void => {
    const cell = row.cells.get(column);
    if (cell !== undefined) setText(cell, text);
  };
  const isSelf = member.id === cluster.memberId;
  setText(row.name, nameOf(member));
  setText(row.detail, member.clientURLs.map((url) => url.replace(/^https?:\/\//, '')).join(', '));
  setTitle(row.name, `id ${member.id}${isSelf ? ', serves this page' : ''}\npeer URLs ${member.peerURLs.join(', ')}`);
  row.element.classList.toggle('self', isSelf);
  setText(row.trouble, [error, ...(status?.errors ?? [])].filter((text) => text !== undefined).join('; '));
  row.dot.className = `dot ${healthOf(member)}`;
  setRole(row.cells.get('Role'), roleOf(cluster, member));
  set('Term', count(status?.term));
  set('Applied index', count(status?.appliedIndex));
  set('Lag', count(behind));
  set('Round trip', isSelf ? 'this member' : seconds(roundTrip(member)));
  row.cells.get('Round trip')?.classList.toggle('muted', isSelf);
  set('Version', status?.version ?? NONE);
  fillDatabase(row, member);
}

function fillDatabase({ database, meter }: MemberRow, { status }: MemberView): void {
  setText(database, bytes(status?.dbSizeBytes));
  const quota = status?.quotaBytes ?? 0;
  meter.hidden = quota === 0;
  if (status === undefined || quota === 0) return;
  meter.value = status.dbSizeBytes / quota;
  const used = percent((100 * status.dbSizeBytes) / quota);
  setTitle(meter, `${used} of the quota of ${bytes(quota)}; ${bytes(status.dbInUseBytes)} in use`);
}

function setRole(cell: HTMLElement | undefined, role: string): void {
  if (cell === undefined || cell.textContent === role) return;
  cell.replaceChildren(el(`span.badge.${role.replace(' ', '-')}`, {}, role));
}

function roleOf(cluster: ClusterView, { id, isLearner }: MemberView): string {
  if (id === cluster.leader) return 'leader';
  return isLearner ? 'learner' : 'follower';
}

export function nameOf({ id, name }: MemberView): string {
  return name === '' ? `${id} (not started)` : name;
}

/** good: answers and is well; warn: answers, and complains; bad: does not answer. */
function healthOf({ status }: MemberView): 'good' | 'warn' | 'bad' {
  if (status === undefined) return 'bad';
  return status.errors.length > 0 ? 'warn' : 'good';
}

function roundTrip({ roundTripMs }: MemberView): number | undefined {
  return roundTripMs === undefined ? undefined : roundTripMs / 1000;
}
