/** Reads proto/ into the plain model that the emitter works from. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import protobuf from 'protobufjs';
import { PROTO_FILES, hasPresence, isBigint, isRaw, memberName } from './policy.ts';

export type FieldKind =
  'bool' | 'int32' | 'uint32' | 'int64' | 'uint64' | 'bytes' | 'string' | 'enum' | 'message' | 'raw';

export function isVarint(kind: FieldKind): boolean {
  return kind !== 'bytes' && kind !== 'string' && kind !== 'message' && kind !== 'raw';
}

export interface FieldModel {
  readonly name: string;
  readonly number: number;
  readonly kind: FieldKind;
  /** For int64 and uint64. */
  readonly big: boolean;
  readonly repeated: boolean;
  readonly packed: boolean;
  /** Whether absent differs from zero: messages, members of a oneof, and what the policy lists. */
  readonly optional: boolean;
  /** The other members of this field's oneof: setting this field unsets them. */
  readonly rivals: readonly string[];
  /** For messages (raw ones too) and enums. */
  readonly type: TypeRef | undefined;
}

export interface TypeRef {
  readonly name: string;
  readonly file: string;
}

export interface MessageModel {
  readonly name: string;
  readonly fullName: string;
  readonly fields: readonly FieldModel[];
}

export interface EnumModel {
  readonly name: string;
  readonly values: ReadonlyArray<readonly [string, number]>;
}

export interface MethodModel {
  readonly name: string;
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly request: string;
  readonly response: string;
}

export interface ServiceModel {
  readonly name: string;
  readonly fullName: string;
  readonly methods: readonly MethodModel[];
}

export interface FileModel {
  readonly proto: string;
  readonly output: string;
  readonly proto2: boolean;
  readonly enums: EnumModel[];
  readonly messages: MessageModel[];
  readonly services: ServiceModel[];
}

const SCALARS = new Set(['bool', 'int32', 'uint32', 'int64', 'uint64', 'bytes', 'string']);

export function loadRoot(protoDir: string): protobuf.Root {
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => join(protoDir, target);
  root.loadSync(
    PROTO_FILES.map(([proto]) => proto),
    { keepCase: true },
  );
  root.resolveAll();
  return root;
}

/** Nested types are flattened to their own name; only a bare `Type` needs its parent's. */
export function typeName(object: protobuf.ReflectionObject): string {
  const parent = object.parent;
  if (object.name === 'Type' && parent instanceof protobuf.Type) return `${parent.name}Type`;
  return object.name.charAt(0).toUpperCase() + object.name.slice(1);
}

function fileOf(protoDir: string, object: protobuf.ReflectionObject): string {
  let at: protobuf.ReflectionObject | null = object;
  while (at !== null && !at.filename) at = at.parent;
  const found = PROTO_FILES.find(([proto]) => join(protoDir, proto) === at?.filename);
  if (found === undefined) throw new Error(`${object.fullName} comes from no listed file`);
  return found[1];
}

function rivalsOf(field: protobuf.Field): string[] {
  const members = field.partOf?.fieldsArray ?? [];
  return members.filter((other) => other !== field).map((other) => memberName(other.name));
}

function fieldModel(protoDir: string, message: protobuf.Type, field: protobuf.Field): FieldModel {
  if (field.map) throw new Error(`${field.fullName}: map fields are not supported`);
  const resolved = field.resolvedType;
  const isMessage = resolved instanceof protobuf.Type;
  const owner = message.fullName.slice(1);
  const raw = isRaw(owner, field.name);
  if (raw && !isMessage) throw new Error(`${field.fullName} is listed as raw and is not a message`);
  if (resolved === null && !SCALARS.has(field.type)) throw new Error(`${field.fullName}: ${field.type} not supported`);
  const scalar = field.type as FieldKind;
  const kind: FieldKind = raw ? 'raw' : isMessage ? 'message' : resolved !== null ? 'enum' : scalar;
  return {
    name: memberName(field.name),
    number: field.id,
    kind,
    big: (kind === 'int64' || kind === 'uint64') && isBigint(message.name, field.name),
    repeated: field.repeated,
    packed: field.repeated && field.packed && isVarint(kind),
    optional: !field.repeated && (isMessage || field.partOf !== null || hasPresence(owner, field.name)),
    rivals: rivalsOf(field),
    type: resolved === null ? undefined : { name: typeName(resolved), file: fileOf(protoDir, resolved) },
  };
}

function messageModel(protoDir: string, message: protobuf.Type): MessageModel {
  const fields = message.fieldsArray.map((field) => fieldModel(protoDir, message, field));
  return {
    name: typeName(message),
    fullName: message.fullName.slice(1),
    fields: fields.toSorted((a, b) => a.number - b.number),
  };
}

function serviceModel(service: protobuf.Service): ServiceModel {
  const fullName = service.fullName.slice(1);
  const methods = service.methodsArray.map((method) => ({
    name: method.name,
    path: `/${fullName}/${method.name}`,
    requestStream: method.requestStream === true,
    responseStream: method.responseStream === true,
    request: method.requestType,
    response: method.responseType,
  }));
  return { name: service.name, fullName, methods };
}

function collect(protoDir: string, files: Map<string, FileModel>, parent: protobuf.NamespaceBase): void {
  for (const object of parent.nestedArray) {
    if (object instanceof protobuf.Enum) {
      files
        .get(fileOf(protoDir, object))
        ?.enums.push({ name: typeName(object), values: Object.entries(object.values) });
    } else if (object instanceof protobuf.Service) {
      files.get(fileOf(protoDir, object))?.services.push(serviceModel(object));
    } else if (object instanceof protobuf.Type) {
      files.get(fileOf(protoDir, object))?.messages.push(messageModel(protoDir, object));
      collect(protoDir, files, object);
    } else if (object instanceof protobuf.Namespace) {
      collect(protoDir, files, object);
    }
  }
}

export function loadFiles(protoDir: string): FileModel[] {
  const files = new Map<string, FileModel>();
  for (const [proto, output] of PROTO_FILES) {
    const proto2 = /^syntax = "proto2";/m.test(readFileSync(join(protoDir, proto), 'utf8'));
    files.set(output, { proto, output, proto2, enums: [], messages: [], services: [] });
  }
  collect(protoDir, files, loadRoot(protoDir));
  return [...files.values()];
}
