/** Every generated codec, next to the protobufjs type that it must agree with. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import protobuf from 'protobufjs';
import { PROTO_FILES } from '../../../scripts/proto/policy.ts';
import { loadRoot, typeName } from '../../../scripts/proto/schema.ts';
import type { Plain } from './random-message.ts';

const ROOT = join(import.meta.dirname, '../../..');
export const PROTO_DIR = join(ROOT, 'proto');
export const GEN_DIR = join(ROOT, 'src/gen');

export interface Codec {
  readonly type: protobuf.Type;
  readonly encode: (message: Plain) => Uint8Array;
  readonly decode: (buf: Uint8Array) => Plain;
}

function messageTypes(parent: protobuf.NamespaceBase): protobuf.Type[] {
  return parent.nestedArray.flatMap((object) => {
    if (object instanceof protobuf.Type) return [object, ...messageTypes(object)];
    return object instanceof protobuf.Namespace && !(object instanceof protobuf.Service) ? messageTypes(object) : [];
  });
}

export async function loadCodecs(): Promise<Codec[]> {
  const codecs: Codec[] = [];
  for (const type of messageTypes(loadRoot(PROTO_DIR))) {
    const output = PROTO_FILES.find(([proto]) => join(PROTO_DIR, proto) === type.filename)?.[1] ?? '';
    const module = (await import(join(GEN_DIR, output))) as Record<string, unknown>;
    const encode = module[`encode${typeName(type)}`] as Codec['encode'];
    const decode = module[`decode${typeName(type)}`] as Codec['decode'];
    codecs.push({ type, encode, decode });
  }
  return codecs;
}

export function protoFilesOnDisk(): string[] {
  return readdirSync(PROTO_DIR, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.proto'));
}
