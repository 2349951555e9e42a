/** What a PromQL expression looks at. */
import { parser } from '@prometheus-io/lezer-promql';

type SyntaxNode = ReturnType<typeof parser.parse>['topNode'];

export interface Selector {
  readonly metric: string;
  readonly matchers: readonly { readonly label: string; readonly operator: string; readonly value: string }[];
}

export interface PromqlUse {
  readonly selectors: readonly Selector[];
  /** Of `by` and `without`. */
  readonly groupingLabels: readonly string[];
}

/** Throws when it is not PromQL. */
export function promqlUse(expression: string): PromqlUse {
  const selectors: Selector[] = [];
  const groupingLabels: string[] = [];
  const textOf = (node: SyntaxNode): string => expression.slice(node.from, node.to);
  parser.parse(expression).iterate({
    enter: ({ node, type }) => {
      if (type.isError) throw new Error(`not PromQL at ${node.from}: ${expression}`);
      if (type.name === 'VectorSelector') selectors.push(selectorOf(node, textOf));
      if (type.name === 'GroupingLabels') groupingLabels.push(...node.getChildren('LabelName').map(textOf));
    },
  });
  return { selectors, groupingLabels };
}

function selectorOf(node: SyntaxNode, textOf: (node: SyntaxNode) => string): Selector {
  const metric = node.getChild('Identifier');
  if (metric === null) throw new Error(`a selector without a metric: ${textOf(node)}`);
  const matchers = node.getChild('LabelMatchers')?.getChildren('UnquotedLabelMatcher') ?? [];
  const part = (matcher: SyntaxNode, name: string): string => {
    const child = matcher.getChild(name);
    if (child === null) throw new Error(`not PromQL: a matcher without ${name}: ${textOf(node)}`);
    return textOf(child);
  };
  return {
    metric: textOf(metric),
    matchers: matchers.map((matcher) => ({
      label: part(matcher, 'LabelName'),
      operator: part(matcher, 'MatchOp'),
      value: part(matcher, 'StringLiteral').slice(1, -1),
    })),
  };
}
