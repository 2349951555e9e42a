/** Named features that --feature-gates, or a switch of old, turns on and off. */
import { ConfigError, invalidValue } from './config-error.ts';
import { parseGoBool } from './go-values.ts';
import type { Support } from './option-spec.ts';
import type { OptionValues } from './option-values.ts';

interface GateSpec {
  readonly default: boolean;
  readonly stage: 'alpha' | 'beta';
  readonly support: Support;
  /** The option of old that says the same. */
  readonly former?: FormerSwitch;
}

type FormerSwitch =
  | 'experimental-initial-corrupt-check'
  | 'experimental-compact-hash-check-enabled'
  | 'experimental-enable-lease-checkpoint'
  | 'experimental-enable-lease-checkpoint-persist'
  | 'experimental-stop-grpc-service-on-defrag'
  | 'experimental-txn-mode-write-with-shared-buffer';

export const FEATURE_GATES = {
  InitialCorruptCheck: {
    default: false,
    stage: 'alpha',
    support: 'supported',
    former: 'experimental-initial-corrupt-check',
  },
  CompactHashCheck: {
    default: false,
    stage: 'alpha',
    support: 'supported',
    former: 'experimental-compact-hash-check-enabled',
  },
  LeaseCheckpoint: {
    default: false,
    stage: 'alpha',
    support: 'supported',
    former: 'experimental-enable-lease-checkpoint',
  },
  LeaseCheckpointPersist: {
    default: false,
    stage: 'alpha',
    support: 'supported',
    former: 'experimental-enable-lease-checkpoint-persist',
  },
  StopGRPCServiceOnDefrag: {
    default: false,
    stage: 'alpha',
    support: 'supported',
    former: 'experimental-stop-grpc-service-on-defrag',
  },
  TxnModeWriteWithSharedBuffer: {
    default: true,
    stage: 'beta',
    support: 'noEffect',
    former: 'experimental-txn-mode-write-with-shared-buffer',
  },
  FastLeaseKeepAlive: { default: true, stage: 'beta', support: 'noEffect' },
  SetMemberLocalAddr: { default: false, stage: 'alpha', support: 'noEffect' },
  PriorityRequest: { default: false, stage: 'alpha', support: 'noEffect' },
} as const satisfies Record<string, GateSpec>;

export type FeatureGate = keyof typeof FEATURE_GATES;
export type FeatureGates = Readonly<Record<FeatureGate, boolean>>;

const SPECS: Readonly<Record<FeatureGate, GateSpec>> = FEATURE_GATES;
const GATES = Object.keys(FEATURE_GATES) as FeatureGate[];

/** Throws ConfigError for an unknown gate, a value that is no boolean, and a combination that cannot be. */
export function readFeatureGates(values: OptionValues): FeatureGates {
  const given = parseGates(values.get('feature-gates'));
  const gates = Object.fromEntries(GATES.map((gate) => [gate, gateValue(gate, given, values)])) as Record<
    FeatureGate,
    boolean
  >;
  if (gates.LeaseCheckpointPersist && !gates.LeaseCheckpoint) {
    throw new ConfigError('feature gate LeaseCheckpointPersist=true requires LeaseCheckpoint=true in --feature-gates');
  }
  return gates;
}

/** The gates that differ from their default and do nothing here. */
export function gatesWithoutEffect(gates: FeatureGates): FeatureGate[] {
  return GATES.filter((gate) => SPECS[gate].support !== 'supported' && gates[gate] !== SPECS[gate].default);
}

function gateValue(gate: FeatureGate, given: ReadonlyMap<string, boolean>, values: OptionValues): boolean {
  const { former, stage, default: byDefault } = SPECS[gate];
  const own = given.get(gate);
  if (former !== undefined && values.isSet(former)) {
    if (own === undefined) return values.get(former);
    throw new ConfigError(`--${former} and --feature-gates=${gate}=${own} cannot both be set; use --feature-gates`);
  }
  return own ?? given.get(stage === 'alpha' ? 'AllAlpha' : 'AllBeta') ?? byDefault;
}

function parseGates(text: string): Map<string, boolean> {
  const gates = new Map<string, boolean>();
  for (const item of text.split(',').map((part) => part.trim())) {
    if (item === '') continue;
    const [, name = item, value] = /^([^=]*)=(.*)$/s.exec(item) ?? [];
    const problem = (reason: string): ConfigError => invalidValue('flag --feature-gates', text, reason);
    if (value === undefined) throw problem(`${name} lacks =true or =false`);
    const enabled = parseGoBool(value.trim());
    if (!isGateName(name.trim())) throw problem(`there is no feature gate ${name.trim()}`);
    if (enabled === undefined) throw problem(`${name}=${value} must be true or false`);
    gates.set(name.trim(), enabled);
  }
  return gates;
}

function isGateName(name: string): boolean {
  return name === 'AllAlpha' || name === 'AllBeta' || Object.hasOwn(FEATURE_GATES, name);
}
