import type { Member } from '../../src/embed/member.ts';
import type { Backend } from '../../src/mvcc/backend.ts';
import type { FileSystem } from '../../src/ports/file-system.ts';

/** A mistake put into a member from outside, to see whether the simulator finds it. */
export interface Mutation {
  readonly name: string;
  readonly files?: (files: FileSystem) => FileSystem;
  readonly backend?: (backend: Backend) => Backend;
  /** Before it starts. */
  readonly member?: (member: Member) => void;
}
