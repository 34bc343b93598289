/** A server of fwknop's packets in front of hidden ports: Debian's in both of its modes, or ours. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Fwknopd, fwknopdAvailable } from './fwknopd.ts';
import { GateFiles, PROGRAMS } from './gate-process.ts';
import type { Namespace } from './namespace.ts';
import type { ProcessorTime } from './processor-time.ts';

/** Which: fwknopd that sniffs, fwknopd with a UDP socket, or posternd. */
export type FwknopServerKind = 'fwknopd' | 'fwknopd-udp' | 'posternd';

/** What tests and benchmarks know of it. */
export interface FwknopServer extends AsyncDisposable {
  /** What it told so far. */
  readonly log: string;
  /** Processor time so far, with that of the programs that it ran. */
  cpu(): ProcessorTime;
  /** Memory that all its processes have in use, MB. */
  memory(): number;
  /** How many packets of the right shape it looked at so far. */
  heard(): number;
}

/** Where and how it serves. */
export interface FwknopServerOptions {
  readonly namespace: Namespace;
  /** The device that packets come from. */
  readonly device: string;
  /** Its access.conf. */
  readonly access: string;
  /** Lines of fwknopd.conf. */
  readonly configuration?: string;
  /** The TCP ports that nobody reaches without a grant, first and last. What is forwarded is hidden as well. */
  readonly hidden: readonly [number, number];
  /** False: they are hidden already, by a server before this one. */
  readonly hide?: boolean;
  /** What is run as `posternd`; without it the checkout's. */
  readonly program?: string | undefined;
}

/** Also the transports that need no port of the server's own. */
const FILTER = 'udp port 62201 or tcp port 62201 or icmp';

/** Hides ports as one does who lets fwknopd open them. */
function hideByIptables({ namespace, hidden }: FwknopServerOptions): void {
  const established = ['-m', 'conntrack', '--ctstate', 'ESTABLISHED', '-j', 'ACCEPT'];
  for (const rule of [
    ['-A', 'INPUT', ...established],
    ['-A', 'INPUT', '-p', 'tcp', '--dport', hidden.join(':'), '-j', 'DROP'],
    ['-A', 'FORWARD', ...established],
    ['-P', 'FORWARD', 'DROP'],
  ])
    namespace.run('iptables', rule);
}

/** Whether a kind of server can be started here. */
export function fwknopServerAvailable(kind: FwknopServerKind): boolean {
  return kind === 'posternd' || fwknopdAvailable();
}

/** Hides the ports and starts the server; resolves when it hears packets. */
export async function startFwknopServer(kind: FwknopServerKind, options: FwknopServerOptions): Promise<FwknopServer> {
  const { namespace, device, access, configuration = '' } = options;
  if (kind === 'posternd') return await startPosternd(options);
  if (options.hide !== false) hideByIptables(options);
  const capture = kind === 'fwknopd' ? { device, filter: FILTER } : 'udp-server';
  return await Fwknopd.start(namespace, { access, configuration, capture });
}

/** Runs a gate from the same files. */
async function startPosternd({
  namespace,
  device,
  access,
  configuration = '',
  hidden,
  program = PROGRAMS.posternd[2],
}: FwknopServerOptions): Promise<FwknopServer> {
  const gate = new GateFiles(namespace);
  try {
    const directory = join(gate.directory, 'fwknop');
    mkdirSync(directory);
    writeFileSync(join(directory, 'access.conf'), access, { mode: 0o600 });
    writeFileSync(join(directory, 'fwknopd.conf'), `PCAP_INTF ${device};\nPCAP_FILTER ${FILTER};\n${configuration}`);
    const places = ['--state', join(gate.directory, 'state'), '--socket', join(gate.runtime, 'posternd.sock')];
    const ports = Array.from({ length: hidden[1] - hidden[0] + 1 }, (_, index) => `tcp/${String(hidden[0] + index)}`);
    const init = gate.command(
      'init',
      '--yes',
      '--address',
      '127.0.0.1',
      '--service',
      `hidden=${ports.join(',')}`,
      ...places,
    );
    if (init.code !== 0) throw new Error(`posternd init: ${init.err}`);
    writeFileSync(gate.config, readFileSync(gate.config, 'utf8').replace('protect = false', 'protect = true'));
    await gate.startProgram(program, ['run', '--fwknop', directory, '--config', gate.config]);
  } catch (error) {
    await gate[Symbol.asyncDispose]();
    throw error;
  }
  return {
    get log() {
      return gate.log;
    },
    cpu: () => gate.cpu(),
    memory: () => gate.memory(),
    heard: () => (gate.json('status') as { knocks: number }).knocks,
    [Symbol.asyncDispose]: () => gate[Symbol.asyncDispose](),
  };
}
