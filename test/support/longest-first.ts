import type { TestSpecification } from 'vitest/node';
import { BaseSequencer } from 'vitest/node';

/** What takes longest begins first: begun last, it would be what everything waits for while a core has nothing to do. */
const LONGEST = [
  'test/integration/crash/crash.test.ts',
  'test/sim/mutations.test.ts',
  'test/integration/etcdctl-cluster.test.ts',
  'test/faults/scenarios.test.ts',
  'test/faults/rounds.test.ts',
  'test/integration/migration.test.ts',
  'test/integration/snapshot-catchup.test.ts',
  'test/integration/metrics/monitoring.test.ts',
];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => {
      const index = LONGEST.findIndex((name) => moduleId.endsWith(name));
      return index === -1 ? LONGEST.length : index;
    };
    return (await super.sort(files)).toSorted((a, b) => place(a) - place(b));
  }
}
