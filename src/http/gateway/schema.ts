/** The messages as the translators use them: found by name and by number, linked with each other. */
import { JSON_ENUMS, JSON_MESSAGES, type JsonField } from '../../gen/json-schema.ts';

export interface EnumSchema {
  readonly numbers: Readonly<Record<string, number>>;
  readonly names: ReadonlyMap<number, string>;
}

export interface FieldSchema {
  /** Place among the message's fields. */
  readonly index: number;
  /** As declared: what answers use. */
  readonly name: string;
  /** In lowerCamelCase: requests may use it too. */
  readonly jsonName: string;
  readonly number: number;
  readonly kind: string;
  readonly repeated: boolean;
  /** Of its oneof; a member is told even when it is zero. */
  readonly oneof: string | undefined;
  readonly message: (() => MessageSchema) | undefined;
  readonly enumeration: EnumSchema | undefined;
}

export interface MessageSchema {
  readonly fullName: string;
  readonly fields: readonly FieldSchema[];
  readonly byName: ReadonlyMap<string, FieldSchema>;
  readonly byNumber: ReadonlyMap<number, FieldSchema>;
}

const known = new Map<string, MessageSchema>();

export function messageSchema(fullName: string): MessageSchema {
  const found = known.get(fullName);
  if (found !== undefined) return found;
  const rows = JSON_MESSAGES[fullName];
  if (rows === undefined) throw new Error(`no message ${fullName} in the JSON schema`);
  const fields = rows.map((row, index) => fieldSchema(row, index));
  const schema = {
    fullName,
    fields,
    byName: new Map(fields.flatMap((field) => [[field.jsonName, field] as const, [field.name, field] as const])),
    byNumber: new Map(fields.map((field) => [field.number, field])),
  };
  known.set(fullName, schema);
  return schema;
}

function fieldSchema([name, number, shape, type = '', oneof]: JsonField, index: number): FieldSchema {
  const repeated = shape.endsWith('[]');
  const kind = repeated ? shape.slice(0, -2) : shape;
  return {
    index,
    name,
    jsonName: name.replace(/_(.)/g, (_match, letter: string) => letter.toUpperCase()),
    number,
    kind,
    repeated,
    oneof,
    message: kind === 'message' ? () => messageSchema(type) : undefined,
    enumeration: kind === 'enum' ? enumSchema(type) : undefined,
  };
}

function enumSchema(fullName: string): EnumSchema {
  const numbers = JSON_ENUMS[fullName] ?? {};
  return { numbers, names: new Map(Object.entries(numbers).map(([name, number]) => [number, name])) };
}
