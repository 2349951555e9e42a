/** Values tell when their writer sent them, and no two are the same. */
const HEAD = /^sent ([\d.]+) #(\d+) /;

let written = 0;

export function newValue(lengthBytes: number): string {
  return `sent ${performance.now().toFixed(3)} #${++written} `.padEnd(lengthBytes, 'k8s-protobuf-');
}

/** In performance.now()'s terms; undefined for a value that newValue() did not make. */
export function sentMsOf(value: string): number | undefined {
  const sent = HEAD.exec(value)?.[1];
  return sent === undefined ? undefined : Number(sent);
}
