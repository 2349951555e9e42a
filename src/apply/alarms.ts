/** The alarms that are set: per member and type, kept in the backend's table `alarm`. */
import { AlarmType, decodeAlarmMember, encodeAlarmMember, type AlarmMember } from '../gen/rpc.ts';
import { EMPTY } from '../base/bytes.ts';

export interface AlarmTable {
  put(key: Uint8Array, value: Uint8Array): void;
  delete(key: Uint8Array): void;
  keys(): Iterable<Uint8Array>;
}

export class Alarms {
  readonly #table: AlarmTable;
  readonly #active = new Map<string, AlarmMember>();

  /** Reads what the table holds. */
  constructor(table: AlarmTable) {
    this.#table = table;
    for (const key of table.keys()) {
      const alarm = decodeAlarmMember(key);
      this.#active.set(nameOf(alarm), alarm);
    }
  }

  /** All, or with a type other than NONE those of that type. */
  list(type: number): AlarmMember[] {
    return [...this.#active.values()].filter((alarm) => type === AlarmType.NONE || alarm.alarm === type);
  }

  isActive(type: number): boolean {
    for (const alarm of this.#active.values()) if (alarm.alarm === type) return true;
    return false;
  }

  /** Sets the alarm, if it is not set yet, and returns it. */
  activate(memberID: bigint, type: number): AlarmMember {
    const alarm = { memberID, alarm: type };
    const name = nameOf(alarm);
    const known = this.#active.get(name);
    if (known !== undefined) return known;
    this.#active.set(name, alarm);
    this.#table.put(encodeAlarmMember(alarm), EMPTY);
    return alarm;
  }

  /** Clears the alarm and returns it; undefined if it was not set. */
  deactivate(memberID: bigint, type: number): AlarmMember | undefined {
    const name = nameOf({ memberID, alarm: type });
    const known = this.#active.get(name);
    if (known === undefined) return undefined;
    this.#active.delete(name);
    this.#table.delete(encodeAlarmMember(known));
    return known;
  }
}

function nameOf(alarm: AlarmMember): string {
  return `${alarm.memberID}/${alarm.alarm}`;
}
