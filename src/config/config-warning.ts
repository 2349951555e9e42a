import type { LogFields } from '../ports/logger.ts';

/** Something the operator should know, for the logger once there is one: logger.warn(message, fields). */
export interface ConfigWarning {
  readonly message: string;
  readonly fields: LogFields;
}
