/** What of this host answers who has proved nothing. Pure. */
import { exceptionsOf } from '../../config/allow.ts';
import type { Service } from '../../config/model.ts';
import type { Finding } from '../finding.ts';
import { withConfig } from '../options.ts';
import { simulate, type Journey } from '../ruleset/simulate.ts';
import type { Subject } from './examiner.ts';
import { entrances, hostView, type Interface } from './network.ts';
import { arriving, echoRequest } from './packets.ts';
import { familiesOf, isLoopback, type ListeningSocket } from './sockets.ts';

/** How far strangers reach something: as seen by the whole ruleset, Postern's own rules included. */
type Reach = 'answers' | 'perhaps' | 'hidden';

function worst(journeys: readonly Journey[]): Reach {
  const verdicts = new Set(journeys.map(({ verdict }) => verdict));
  if (verdicts.has('accept')) return 'answers';
  return verdicts.has('unknown') ? 'perhaps' : 'hidden';
}

/** The interfaces by which strangers' packets to an address come in; all of them where it is none of this host's. */
function ways(all: readonly Interface[], families: readonly (4 | 6)[], address: string): Interface[] {
  const own = all.filter((it) => it.address === address);
  return own.length > 0 ? own : families.flatMap((family) => entrances(all, family));
}

function reach({ network }: Subject, protocol: 'tcp' | 'udp', port: number, at: readonly Interface[]): Reach {
  const host = hostView(network.interfaces);
  return worst(at.map((way) => simulate(network.ruleset, arriving(way, protocol, port), host)));
}

function serviceOf(services: readonly Service[], protocol: string, port: number): Service | undefined {
  return services.find((it) => it.endpoints.some((end) => end.protocol === protocol && end.port === port));
}

function nameFor({ processes, protocol, port }: ListeningSocket): string {
  const name = (processes[0] ?? '').toLowerCase().replaceAll(/[^a-z0-9-]/g, '');
  return name === '' ? `${protocol}-${port}` : name.slice(0, 32);
}

function judge(subject: Subject, socket: ListeningSocket, reached: Reach): Finding[] {
  const { protocol, port, processes } = socket;
  const { configuration } = subject;
  const service = serviceOf(configuration.services, protocol, port);
  const name = `${protocol}/${port} (${processes.length === 0 ? 'no process that can be seen' : processes.join(', ')})`;
  const config = withConfig(configuration.file);
  if (service !== undefined) {
    if (!service.protect) return [];
    return [
      {
        severity: 'error',
        code: 'protected-but-open',
        what: `${service.name} is protected in the configuration, and ${name} ${reached === 'answers' ? 'answers' : 'may answer'} strangers all the same`,
        why: 'everybody can reach it without a knock',
        mend: `posternd run${config}, or restart its service`,
      },
    ];
  }
  const wanted = nameFor(socket);
  return [
    {
      severity: protocol === 'tcp' && reached === 'answers' ? 'warning' : 'note',
      code: protocol === 'tcp' ? 'answers-strangers' : 'hears-strangers',
      what: `${name} ${protocol === 'tcp' ? 'answers' : 'hears'} strangers${reached === 'perhaps' ? ', unless a rule of yours that is not understood drops them' : ''}`,
      why: 'whoever finds a hole in it needs no key',
      mend: `if it is for this host only, bind it to 127.0.0.1 and ::1; to hide it, add [services.${wanted}] with \`ports = ["${protocol}/${port}"]\` to ${configuration.file}, then: posternd reload${config} && posternd protect ${wanted}${config}`,
    },
  ];
}

/** Whether it is the knock port, or everybody is meant to reach it. */
function isMeant({ configuration }: Subject, protocol: string, port: number): boolean {
  const { endpoints } = exceptionsOf(configuration);
  return (
    (protocol === 'udp' && port === configuration.port) ||
    endpoints.some((end) => end.protocol === protocol && end.port === port)
  );
}

/** Sockets that strangers reach. */
export function listeningSockets(subject: Subject): Finding[] {
  const { network } = subject;
  const { kernel, interfaces, sockets } = network;
  const found = new Map<string, Finding>();
  for (const socket of sockets) {
    const { protocol, address, port } = socket;
    if (isLoopback(address) || protocol === 'raw' || isMeant(subject, protocol, port)) continue;
    // A client's own socket: nobody knows its number beforehand, and what it asked is answered there.
    const [low, high] = kernel.ephemeral;
    if (protocol === 'udp' && port >= low && port <= high) continue;
    const reached = reach(
      subject,
      protocol,
      port,
      ways(interfaces, familiesOf(socket, sockets, kernel.onlyV6), address),
    );
    if (reached === 'hidden') continue;
    for (const finding of judge(subject, socket, reached)) {
      const key = `${finding.code} ${protocol}/${port}`;
      if (!found.has(key)) found.set(key, finding);
    }
  }
  return [...found.values()];
}

/** Ports that a rule sends on to another host or a container, and that strangers reach. */
export function publishedPorts(subject: Subject): Finding[] {
  const { network, configuration } = subject;
  const chains = network.ruleset.base.filter(
    ({ nat, hook, table }) => nat && hook === 'prerouting' && table.owner !== 'postern',
  );
  const all = chains.flatMap(({ table }) =>
    [...table.chains.values()].flatMap(({ rules }) => rules.flatMap((rule) => rule.published ?? [])),
  );
  const host = hostView(network.interfaces);
  const found = new Map<string, Finding>();
  for (const { protocol, port } of all) {
    const service = serviceOf(configuration.services, protocol, port);
    if (isMeant(subject, protocol, port)) continue;
    if (network.sockets.some((it) => it.protocol === protocol && it.port === port)) continue;
    const journeys = ([4, 6] as const)
      .flatMap((family) => entrances(network.interfaces, family))
      .map((at) => simulate(network.ruleset, arriving(at, protocol, port), host));
    const sent = journeys.find(({ verdict, packet }) => verdict === 'accept' && packet.translated)?.packet;
    if (sent === undefined || (service !== undefined && !service.protect)) continue;
    found.set(`${protocol}/${port}`, {
      severity: service === undefined ? 'warning' : 'error',
      code: service === undefined ? 'published' : 'protected-but-open',
      what: `${protocol}/${port} is sent on to ${sent.destination ?? 'this host'} port ${sent.destinationPort} and answers strangers`,
      why: 'a container or host behind this one is open to everybody, also where a firewall at the input chain says otherwise',
      mend: `publish it on 127.0.0.1 only, or add a service with \`ports = ["${protocol}/${port}"]\` to ${configuration.file} and protect it`,
    });
  }
  return [...found.values()];
}

/** A port that nothing uses. */
function idle({ network, configuration }: Subject): number {
  const used = new Set([...network.sockets.map(({ port }) => port), configuration.port]);
  let port = 64_999;
  while (used.has(port) || configuration.services.some((it) => it.endpoints.some((end) => end.port === port))) port--;
  return port;
}

function dark(subject: Subject): string {
  return `posternd dark --try 300${withConfig(subject.configuration.file)}`;
}

function darkButOpen({ configuration }: Subject): Finding {
  return {
    severity: 'error',
    code: 'dark-but-open',
    what: 'the host is dark in the configuration, and answers strangers all the same',
    why: 'everybody reaches everything on it',
    mend: `posternd run${withConfig(configuration.file)}, or restart its service`,
  };
}

/** What the kernel answers where nothing listens. */
export function closedPorts(subject: Subject): Finding[] {
  const { network } = subject;
  const port = idle(subject);
  const found: Finding[] = [];
  const host = hostView(network.interfaces);
  const at = ([4, 6] as const).flatMap((family) => entrances(network.interfaces, family));
  for (const [protocol, answer] of [
    ['tcp', 'a reset'],
    ['udp', 'an ICMP error'],
  ] as const) {
    const journeys = at.map((way) => simulate(network.ruleset, arriving(way, protocol, port), host));
    const rejected = journeys.some(({ verdict }) => verdict === 'reject');
    const reached = rejected ? 'answers' : worst(journeys);
    if (reached === 'hidden' || at.length === 0) continue;
    if (subject.configuration.dark && reached === 'answers') return [darkButOpen(subject)];
    found.push({
      severity: 'note',
      code: 'closed-ports-answer',
      what: `${protocol.toUpperCase()} ports without a listener answer with ${answer}${rejected ? ', by a rule of the firewall' : reached === 'perhaps' ? ', unless a rule of yours drops' : ''}`,
      why: 'a scan sees that there is a host, and that the ports that stay silent are hidden on purpose',
      mend: dark(subject),
    });
  }
  return found;
}

/** Whether the host answers ping. */
export function echoes(subject: Subject): Finding[] {
  const { network, configuration } = subject;
  if (exceptionsOf(configuration).ping) return [];
  const host = hostView(network.interfaces);
  const answering = ([4, 6] as const).filter((family) => {
    const journeys = entrances(network.interfaces, family).map((at) =>
      simulate(network.ruleset, echoRequest(at), host),
    );
    return network.kernel.answersEcho[family] && journeys.length > 0 && worst(journeys) !== 'hidden';
  });
  if (answering.length === 0) return [];
  return [
    {
      severity: 'note',
      code: 'echo-answers',
      what: `the host answers ping over ${answering.map((family) => `IPv${family}`).join(' and ')}`,
      why: 'a scan sees that there is a host',
      mend: dark(subject),
    },
  ];
}
