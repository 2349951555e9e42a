/** Patches as far as the checks go: lists of objects have `port` or `name` as their key, fields are owned below `data`. */
import type { Doc } from './store.ts';

type Value = unknown;
type Fields = Record<string, unknown>;

const isFields = (value: Value): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export function mergePatch(target: Value, patch: Value): Value {
  return merge(target, patch, (_before, list) => list);
}

export function strategicPatch(target: Value, patch: Value): Value {
  return merge(target, patch, (before, list) => {
    if (!Array.isArray(before) || !list.every(isFields)) return list;
    const merged = [...(before as Fields[])];
    for (const item of list) {
      const key = 'port' in item ? 'port' : 'name';
      const at = merged.findIndex((other) => other[key] === item[key]);
      if (at < 0) merged.push(item);
      else merged[at] = strategicPatch(merged[at], item) as Fields;
    }
    return merged;
  });
}

function merge(target: Value, patch: Value, lists: (before: Value, list: Value[]) => Value): Value {
  if (Array.isArray(patch)) return lists(target, patch);
  if (!isFields(patch)) return patch;
  const out: Fields = isFields(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete out[name];
    else out[name] = merge(out[name], value, lists);
  }
  return out;
}

/** Undefined when a test fails. */
export function jsonPatch(target: Doc, operations: readonly Fields[]): Doc | undefined {
  const out = structuredClone(target);
  for (const { op, path, value } of operations) {
    const names = String(path).split('/').slice(1);
    const last = names.pop() ?? '';
    let parent: Fields = out;
    for (const name of names) parent = parent[name] as Fields;
    if (op === 'test') {
      if (parent[last] !== value) return undefined;
    } else if (op === 'remove') delete parent[last];
    else parent[last] = value;
  }
  return out;
}

/** Server-side apply of `data`. A string: the conflict. */
export function apply(target: Doc | undefined, applied: Doc, manager: string, force: boolean): Doc | string {
  const managed = structuredClone(target?.metadata.managedFields ?? []);
  const data: Fields = { ...target?.data };
  const wanted = applied.data ?? {};
  for (const [key, value] of Object.entries(wanted)) {
    const owner = managed.find((entry) => entry.manager !== manager && entry.keys.includes(key));
    if (owner === undefined || data[key] === value) continue;
    if (!force) return `conflict with ${owner.manager}: .data.${key}`;
    owner.keys = owner.keys.filter((other) => other !== key);
  }
  const own = managed.find((entry) => entry.manager === manager);
  for (const key of own?.keys ?? []) {
    const isShared = managed.some((entry) => entry !== own && entry.keys.includes(key));
    if (!(key in wanted) && !isShared) delete data[key];
  }
  Object.assign(data, wanted);
  const entries = managed.filter((entry) => entry.manager !== manager);
  const managedFields = [...entries, { manager, keys: Object.keys(wanted) }];
  return { ...target, ...applied, metadata: { ...target?.metadata, ...applied.metadata, managedFields }, data };
}
