/** The values in a stream of JSON, one to a line. */

/** An event may be as large as a request; the server decides how large that is. */
const LINE_CHARS_MAX = 64 * 1024 * 1024;

/** Throws when a line is too long, or is no JSON. The stream is let go when the caller stops. */
export async function* jsonLines(stream: ReadableStream<Uint8Array>): AsyncGenerator<unknown> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let parts: string[] = [];
  let chars = 0;
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const [first = '', ...more] = decoder.decode(value, { stream: true }).split('\n');
      parts.push(first);
      chars += first.length;
      if (chars > LINE_CHARS_MAX) throw new Error('the server sent too long a line');
      for (const next of more) {
        const line = parts.join('');
        parts = [next];
        chars = next.length;
        if (line.trim() !== '') yield JSON.parse(line);
      }
    }
    const rest = parts.join('');
    if (rest.trim() !== '') yield JSON.parse(rest);
  } finally {
    await reader.cancel().catch(() => {});
  }
}
