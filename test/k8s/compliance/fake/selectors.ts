import type { Doc } from './store.ts';

export type Select = (doc: Doc) => boolean;

/** `a=b,c!=d,e notin (f)` on labels; `metadata.name=x` and `!=` on fields. */
export function selectorOf(query: URLSearchParams): Select {
  const labels = termsOf(query.get('labelSelector'), (doc, name) => doc.metadata.labels?.[name]);
  const fields = termsOf(query.get('fieldSelector'), (doc) => doc.metadata.name);
  return (doc) => labels(doc) && fields(doc);
}

function termsOf(text: string | null, value: (doc: Doc, name: string) => string | undefined): Select {
  const terms = (text ?? '').split(',').filter((term) => term !== '');
  const tests = terms.map((term): Select => {
    const none = /^(\S+) notin \((\S+)\)$/.exec(term);
    if (none) return (doc) => value(doc, none[1] ?? '') !== none[2];
    const [name = '', wanted = ''] = term.split(/!?=/);
    const isEqual = !term.includes('!=');
    return (doc) => (value(doc, name) === wanted) === isEqual;
  });
  return (doc) => tests.every((test) => test(doc));
}
