/** Whether who was granted a service reaches it, as far as the host's own rules decide. Pure. */
import { formatAddress } from '@postern/protocol';
import type { Service } from '../../config/model.ts';
import type { Endpoint } from '../../firewall/port.ts';
import type { Finding } from '../finding.ts';
import { ruleToAdd, showChain } from '../ruleset/rule-to-add.ts';
import type { Packet } from '../ruleset/model.ts';
import { simulate, type Destination, type Doubt, type Journey, type Stop } from '../ruleset/simulate.ts';
import type { Subject } from './examiner.ts';
import { entrances, hostView } from './network.ts';
import { arriving, following, leaving } from './packets.ts';

/** A stop with the packet that met it. */
interface Met {
  readonly stop: Stop;
  readonly packet: Packet;
}

/** What the rules do to one kind of traffic, over all interfaces and families. */
interface Hurdles {
  readonly stops: Met[];
  readonly doubts: Doubt[];
  readonly untracked: Journey['untracked'][number][];
}

const nothing = (): Hurdles => ({ stops: [], doubts: [], untracked: [] });

function add(to: Hurdles, journey: Journey): Journey {
  to.stops.push(...journey.stops.map((stop) => ({ stop, packet: journey.packet })));
  to.doubts.push(...journey.doubts);
  to.untracked.push(...journey.untracked);
  return journey;
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}

/** What is to be typed: every rule once, and where it must be written to stay. */
function mend(all: readonly Met[]): string {
  const rules = all.map(({ stop, packet }) => ruleToAdd(stop, packet));
  const commands = unique(rules.map(({ command }) => command)).join(' && ');
  const keep = unique(rules.flatMap(({ keep: place }) => place ?? []));
  return keep.length === 0 ? commands : `${commands}  # and to keep it: ${keep.join(', ')}`;
}

function chainsOf(all: readonly { readonly chain: Stop['chain'] }[]): string {
  return unique(all.map(({ chain }) => showChain(chain))).join(', and ');
}

function familiesOf(all: readonly Met[]): string {
  const families = unique(all.map(({ packet }) => `IPv${packet.family}`)).sort();
  return families.length === 2 ? '' : ` over ${families.join('')}`;
}

function destination(service: Service, family: 4 | 6): Destination | undefined {
  const forward = service.forward?.[family];
  return forward === undefined ? undefined : { address: formatAddress(forward.address), port: forward.port };
}

/** Follows a granted connection's first packet, the one after it, and the answer. */
function follow({ network }: Subject, service: Service, { protocol, port }: Endpoint): Hurdles {
  const met = nothing();
  const others = { base: network.ruleset.base.filter(({ table }) => table.owner !== 'postern') };
  const host = hostView(network.interfaces);
  for (const family of [4, 6] as const) {
    const forward = destination(service, family);
    if (service.forward !== undefined && forward === undefined) continue;
    for (const at of entrances(network.interfaces, family)) {
      const first = arriving(at, protocol, port);
      const { packet } = add(met, simulate(others, first, host, forward));
      const known = packet.state === 'untracked' ? packet.state : 'established';
      add(met, simulate(others, following({ ...first, state: packet.state }), host, forward));
      if (forward === undefined) add(met, simulate(others, leaving(at, protocol, packet.destinationPort, known), host));
    }
  }
  return met;
}

function judge(subject: Subject, service: Service): Finding[] {
  const found: Finding[] = [];
  const each = service.endpoints.map((endpoint) => ({ endpoint, met: follow(subject, service, endpoint) }));
  const stopped = each.filter(({ met }) => met.stops.length > 0);
  const names = (of: typeof each): string =>
    of.map(({ endpoint }) => `${endpoint.protocol}/${endpoint.port}`).join(', ');
  if (stopped.length > 0) {
    const stops = stopped.flatMap(({ met }) => met.stops);
    found.push({
      severity: 'error',
      code: 'rules-stop-granted',
      what: `${service.name}: the host's own rules stop ${names(stopped)}${familiesOf(stops)} (${chainsOf(stops.map(({ stop }) => stop))})`,
      why: 'a grant only lifts what posternd itself hides: what another table drops, it cannot open',
      mend: mend(stops),
    });
  }
  const doubtful = each.filter(({ met }) => met.stops.length === 0 && met.doubts.length > 0);
  if (doubtful.length > 0) {
    const doubts = doubtful.flatMap(({ met }) => met.doubts);
    const rules = unique(doubts.map(({ chain, rule }) => `${rule?.text ?? 'a rule'} in ${showChain(chain)}`));
    found.push({
      severity: 'note',
      code: 'rules-unclear',
      what: `${service.name}: whether the host's own rules let ${names(doubtful)} pass is not known: ${rules.slice(0, 3).join('; ')}`,
      why: 'posternd does not understand that rule; if it drops what is granted, no grant opens it',
      mend: `try it: posternd protect ${service.name}, then knock and connect; it undoes itself`,
    });
  }
  const hidden = each.filter(({ met }) => met.untracked.length > 0);
  if (hidden.length > 0) {
    const rules = hidden.flatMap(({ met }) => met.untracked);
    const places = unique(rules.map(({ chain, rule }) => `${rule.text} in ${showChain(chain)}`));
    found.push({
      severity: 'error',
      code: 'untracked',
      what: `${service.name}: connection tracking is switched off for ${names(hidden)} (${places.slice(0, 3).join('; ')})`,
      why: 'without it the packets after the first one belong to no known connection, so that a granted one dies at once',
      mend: 'take that rule away, or exempt these ports from it',
    });
  }
  return found;
}

/** Services of which the host's rules would stop what a grant lets through. */
export function grantedTraffic(subject: Subject): Finding[] {
  return subject.configuration.services.flatMap((service) => judge(subject, service));
}

/** Knocks that do not arrive and receipts that do not leave. */
export function knockTraffic({ configuration, network }: Subject): Finding[] {
  const { port, capture } = configuration;
  const found: Finding[] = [];
  const host = hostView(network.interfaces);
  const others = { base: network.ruleset.base.filter(({ table }) => table.owner !== 'postern') };
  const [knocks, receipts] = [nothing(), nothing()];
  for (const family of [4, 6] as const) {
    for (const at of entrances(network.interfaces, family)) {
      add(knocks, simulate(others, arriving(at, 'udp', port), host));
      // The knock was dropped before conntrack saw it, so its receipt is the first packet of a flow.
      add(receipts, simulate(others, leaving(at, 'udp', port, capture === 'packet' ? 'new' : 'established'), host));
    }
  }
  // A packet socket sees knocks before any rule does.
  if (capture === 'dgram' && knocks.stops.length > 0) {
    found.push({
      severity: 'error',
      code: 'knocks-stopped',
      what: `the host's own rules stop knocks to udp/${port} (${chainsOf(knocks.stops.map(({ stop }) => stop))})`,
      why: 'with `capture = "dgram"` knocks come through an ordinary open port, so nobody is heard',
      mend: mend(knocks.stops),
    });
  }
  if (receipts.stops.length > 0) {
    found.push({
      severity: 'warning',
      code: 'receipts-stopped',
      what: `the host's own rules stop what posternd sends from udp/${port} (${chainsOf(receipts.stops.map(({ stop }) => stop))})`,
      why: 'devices get no receipts: a knock opens, but the client calls the gate silent, and a clock that is off is never learned',
      mend: mend(receipts.stops),
    });
  }
  return found;
}

/** What is forwarded needs a kernel that forwards. */
export function forwarding({ configuration, network }: Subject): Finding[] {
  return ([4, 6] as const).flatMap((family): Finding[] => {
    const names = configuration.services.filter((it) => it.forward?.[family] !== undefined).map(({ name }) => name);
    if (names.length === 0 || network.kernel.forwards[family]) return [];
    const key = family === 4 ? 'net.ipv4.ip_forward' : 'net.ipv6.conf.all.forwarding';
    return [
      {
        severity: 'error',
        code: 'not-forwarding',
        what: `${names.join(', ')}: this host forwards no IPv${family} (${key} is 0)`,
        why: 'the service lives on another host, and what is granted does not get there',
        mend: `echo '${key} = 1' > /etc/sysctl.d/90-postern-forward.conf && sysctl --system`,
      },
    ];
  });
}

/** Rules that could not be read. */
export function unreadRules({ network }: Subject): Finding[] {
  if (network.troubles.length === 0) return [];
  return [
    {
      severity: 'warning',
      code: 'rules-unread',
      what: `the host's firewall rules could not be read: ${network.troubles.join('; ')}`,
      why: 'whether they would stop what is granted, and what they let strangers see, is not known',
      mend: 'run this as root, with nftables installed: apt install nftables',
    },
  ];
}
