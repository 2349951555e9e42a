import { describe, expect, test } from 'vitest';
import { config, failure, warnings } from './run.ts';

describe('feature gates', () => {
  test('have their defaults', () => {
    expect(config('').featureGates).toEqual({
      InitialCorruptCheck: false,
      CompactHashCheck: false,
      LeaseCheckpoint: false,
      LeaseCheckpointPersist: false,
      StopGRPCServiceOnDefrag: false,
      TxnModeWriteWithSharedBuffer: true,
      FastLeaseKeepAlive: true,
      SetMemberLocalAddr: false,
      PriorityRequest: false,
    });
  });

  test('are switched by name, with Go booleans and spaces', () => {
    const { featureGates } = config(['--feature-gates=InitialCorruptCheck=T, FastLeaseKeepAlive=0,']);
    expect(featureGates).toMatchObject({ InitialCorruptCheck: true, FastLeaseKeepAlive: false });
  });

  test("kubeadm's one is accepted without a word", () => {
    expect(warnings('--feature-gates=InitialCorruptCheck=true')).toEqual([]);
  });

  test('one without effect is reported', () => {
    expect(warnings('--feature-gates=PriorityRequest=true,CompactHashCheck=false')).toEqual([
      { message: 'feature gate has no effect', fields: { 'feature-gate': 'PriorityRequest' } },
    ]);
  });

  test('AllAlpha and AllBeta switch what is not named', () => {
    const { featureGates } = config('--feature-gates=AllAlpha=true,AllBeta=false,PriorityRequest=false');
    expect(featureGates).toMatchObject({ LeaseCheckpoint: true, PriorityRequest: false, FastLeaseKeepAlive: false });
  });

  test.each([
    ['--experimental-initial-corrupt-check', { InitialCorruptCheck: true }],
    ['--experimental-initial-corrupt-check=false', { InitialCorruptCheck: false }],
    ['--experimental-txn-mode-write-with-shared-buffer=false', { TxnModeWriteWithSharedBuffer: false }],
    ['--experimental-compact-hash-check-enabled', { CompactHashCheck: true }],
    ['--experimental-stop-grpc-service-on-defrag', { StopGRPCServiceOnDefrag: true }],
    [
      '--experimental-enable-lease-checkpoint --experimental-enable-lease-checkpoint-persist',
      { LeaseCheckpoint: true, LeaseCheckpointPersist: true },
    ],
  ])('%s is the gate', (flags, gates) => expect(config(flags).featureGates).toMatchObject(gates));

  test.each([
    ['--feature-gates=Nope=true', 'invalid value "Nope=true" for flag --feature-gates: there is no feature gate Nope'],
    ['--feature-gates=toString=true', 'there is no feature gate toString'],
    ['--feature-gates=PriorityRequest', 'PriorityRequest lacks =true or =false'],
    ['--feature-gates=PriorityRequest=maybe', 'PriorityRequest=maybe must be true or false'],
    ['--feature-gates=LeaseCheckpointPersist=true', 'requires LeaseCheckpoint=true'],
    [
      '--feature-gates=InitialCorruptCheck=true --experimental-initial-corrupt-check',
      '--experimental-initial-corrupt-check and --feature-gates=InitialCorruptCheck=true cannot both be set',
    ],
  ])('%s fails', (flags, line) =>
    expect(failure(flags)).toMatchObject({ line: expect.stringContaining(line), exitCode: 1 }),
  );
});
