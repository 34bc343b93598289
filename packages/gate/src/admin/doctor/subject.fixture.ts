/** A host in order, for tests: what each one needs is put over it. */
import { parsePrefix, type Seconds, type ServiceName, type UnixMicros } from '@postern/protocol';
import type { Configuration, Service } from '../../config/model.ts';
import type { HostFacts } from '../host-facts.ts';
import { parseIptables } from '../ruleset/iptables-text.ts';
import { joinRulesets, type Ruleset } from '../ruleset/model.ts';
import type { Network, Subject } from './examiner.ts';
import type { ListeningSocket } from './sockets.ts';

const block = parsePrefix('203.0.113.0/24');

/** No rules at all. */
export const NO_RULES: Ruleset = joinRulesets([]);

/** A filter table of iptables with these rules of its input chain. */
export function inputRules(...rules: readonly string[]): Ruleset {
  const text = `*filter\n:INPUT ACCEPT [0:0]\n${rules.map((rule) => `-A INPUT ${rule}\n`).join('')}COMMIT\n`;
  return parseIptables(text, 4, 'nft');
}

/** A service at one TCP port. */
export function service(name: string, port: number, over: Partial<Service> = {}): Service {
  return {
    ...{
      name: name as ServiceName,
      endpoints: [{ protocol: 'tcp', port }],
      seconds: 30 as Seconds,
      maxSeconds: 30 as Seconds,
    },
    ...{ singleUse: false, observedSource: false, prefix4: 32, prefix6: 128, keyed: false, protect: false },
    ...over,
  };
}

/** A socket that listens. */
export function socket(protocol: 'tcp' | 'udp', address: string, port: number, program = 'postgres'): ListeningSocket {
  return { protocol, address, port, processes: [program] };
}

/** What a test changes of the host. */
export interface SubjectOptions {
  readonly configuration?: Partial<Configuration>;
  readonly facts?: Partial<HostFacts>;
  readonly network?: Partial<Network>;
  readonly running?: boolean;
}

/** The host. */
export function subject({ configuration, facts, network, running = true }: SubjectOptions = {}): Subject {
  if (block === undefined) throw new Error('the block is one');
  return {
    configuration: {
      ...{
        file: '/etc/postern/posternd.toml',
        keyFile: '/etc/postern/gate.key',
        usersDirectory: '/etc/postern/users.d',
      },
      ...{
        name: 'gate',
        port: 62_201,
        addresses: ['203.0.113.5'],
        capture: 'packet',
        pq: 'off',
        sentryUser: 'postern',
      },
      ...{
        stateDirectory: '/var/lib/postern',
        socket: '/run/postern/posternd.sock',
        services: [],
        doors: [],
        fwknop: undefined,
        users: [],
      },
      ...{ dark: false, allow: [], trust: [] },
      ...configuration,
    },
    facts: {
      ...{
        files: [],
        state: undefined,
        key: undefined,
        passedOver: [],
        setpriv: true,
        libnftables: true,
        optmem: 131_072,
      },
      sentryUser: { name: 'postern', uid: 990, gid: 990 },
      ...{
        socket: undefined,
        missingCapabilities: [],
        clockKept: true,
        kernel: '6.1.0',
        sshd: undefined,
        unit: undefined,
        oneTime: new Map(),
        missingKeyrings: [],
      },
      ...facts,
    },
    network: {
      interfaces: [{ name: 'eth0', family: 4, address: '203.0.113.5', block, byDefault: true }],
      kernel: {
        ...{ forwards: { 4: false, 6: false }, answersEcho: { 4: true, 6: true }, onlyV6: false },
        ephemeral: [32_768, 60_999],
      },
      ...{ sockets: [], ruleset: NO_RULES, troubles: [] },
      ...network,
    },
    running,
    now: 1_800_000_000_000_000 as UnixMicros,
    own: 0,
  };
}
