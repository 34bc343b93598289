/** Reads what iptables-save and ip6tables-save print. What is not understood becomes a rule that may do anything. */
import { inBlock } from './addresses.ts';
import {
  every,
  not,
  some,
  type BaseChain,
  type Chain,
  type Hook,
  type Owner,
  type Packet,
  type Rule,
  type Ruleset,
  type Table,
  type Tri,
  type Verdict,
} from './model.ts';

/** Hook of each chain that the kernel calls, and the priorities of the tables (netfilter_ipv4.h). */
const HOOKS: Readonly<Record<string, Hook>> = {
  PREROUTING: 'prerouting',
  INPUT: 'input',
  FORWARD: 'forward',
  OUTPUT: 'output',
  POSTROUTING: 'postrouting',
};
const PRIORITIES: Readonly<Record<string, number>> = { raw: -300, mangle: -150, nat: -100, filter: 0, security: 50 };

/** One condition of a rule. */
type Condition = (packet: Packet) => Tri;

const HAS_PORTS = (packet: Packet): boolean => packet.protocol === 'tcp' || packet.protocol === 'udp';

function ports(text: string, of: (packet: Packet) => number): Condition {
  const wanted = text.split(',').map((part) => part.split(':').map(Number));
  return (packet) =>
    HAS_PORTS(packet) &&
    wanted.some(([from = 0, to = from]) => of(packet) >= from && of(packet) <= (to === 0 ? 65_535 : to));
}

function address(text: string, of: (packet: Packet) => string | undefined): Condition {
  const [block = '', length] = text.split('/');
  return (packet) => inBlock(of(packet), block, length === undefined ? undefined : Number(length));
}

function device(text: string, of: (packet: Packet) => string | undefined): Condition {
  return (packet) => {
    const name = of(packet);
    if (name === undefined) return packet.translated ? undefined : false;
    return text.endsWith('+') ? name.startsWith(text.slice(0, -1)) : name === text;
  };
}

const PROTOCOLS: Readonly<Record<string, string>> = {
  '6': 'tcp',
  '17': 'udp',
  '1': 'icmp',
  '58': 'icmpv6',
  'ipv6-icmp': 'icmpv6',
};

function protocol(text: string): Condition {
  return (packet) => text === 'all' || (PROTOCOLS[text] ?? text) === packet.protocol;
}

function states(text: string): Condition {
  const wanted = text.toLowerCase().split(',');
  // SNAT and DNAT stand among the states too.
  return (packet) => wanted.includes(packet.state) || (packet.translated && wanted.includes('dnat'));
}

function flags(mask: string, wanted: string): Condition {
  const list = (text: string): string[] => (text === 'NONE' ? [] : text.toLowerCase().split(','));
  const seen = mask === 'ALL' ? ['fin', 'syn', 'rst', 'psh', 'ack', 'urg'] : list(mask);
  const set = wanted === 'ALL' ? ['fin', 'syn', 'rst', 'psh', 'ack', 'urg'] : list(wanted);
  return (packet) =>
    packet.protocol === 'tcp' && seen.every((flag) => packet.flags.includes(flag) === set.includes(flag));
}

function echo(text: string, type: string): Condition {
  return (packet) =>
    (packet.protocol === 'icmp' || packet.protocol === 'icmpv6') && (text === 'any' || text.split('/')[0] === type);
}

const always: Condition = () => true;
const never: Condition = () => false;
const riddle: Condition = () => undefined;

/** Options with one value that are conditions. */
const CONDITIONS: Readonly<Record<string, (value: string) => Condition>> = {
  '-s': (value) => address(value, (packet) => packet.source),
  '-d': (value) => address(value, (packet) => packet.destination),
  '-i': (value) => device(value, (packet) => packet.input),
  '-o': (value) => device(value, (packet) => packet.output),
  '-p': protocol,
  '--dport': (value) => ports(value, (packet) => packet.destinationPort),
  '--dports': (value) => ports(value, (packet) => packet.destinationPort),
  '--sport': (value) => ports(value, (packet) => packet.sourcePort),
  '--sports': (value) => ports(value, (packet) => packet.sourcePort),
  '--ports': (value) => {
    const either = [(packet: Packet) => packet.sourcePort, (packet: Packet) => packet.destinationPort];
    return (packet) => some(either.map((of) => ports(value, of)(packet)));
  },
  '--state': states,
  '--ctstate': states,
  '--ctstatus': (value) => (value === 'DNAT' ? (packet) => packet.translated : riddle),
  '--ctdir': (value) => (packet) => (packet.state === 'new' ? value === 'ORIGINAL' : undefined),
  '--icmp-type': (value) => echo(value, '8'),
  '--icmpv6-type': (value) => echo(value, '128'),
  '--dst-type': (value) => (packet) =>
    packet.input === undefined ? undefined : value.split(',').includes(packet.translated ? 'UNICAST' : 'LOCAL'),
  '--src-type': (value) => (packet) => (packet.input === undefined ? undefined : value.split(',').includes('UNICAST')),
  // A route for extension headers, which our packets have not.
  '--rt-type': () => never,
  '--pkt-type': (value) => (packet) => (packet.input === undefined ? undefined : value === 'unicast'),
  // More than so many at once or in some time: not by one packet.
  '--hashlimit-above': () => never,
  '--connlimit-above': () => never,
  '--hashlimit-upto': () => always,
  '--connlimit-upto': () => always,
  '--limit': () => always,
};

/** Options of conditions and targets that change nothing for one packet: those without a value, and those with one. */
const PLAIN = new Set(
  (
    '--rsource --rdest --set --rttl --reap --connlimit-saddr --connlimit-daddr --log-ip-options --log-tcp-options ' +
    '--log-tcp-sequence --log-uid --random --random-fully --persistent --clamp-mss-to-pmtu --save-mark --restore-mark'
  ).split(' '),
);
const VALUED = new Set(
  (
    '--comment --limit-burst --name --mask --seconds --hitcount --connlimit-mask --hashlimit-burst --hashlimit-mode ' +
    '--hashlimit-name --hashlimit-srcmask --hashlimit-dstmask --hashlimit-htable-expire --hashlimit-htable-size ' +
    '--hashlimit-htable-max --hashlimit-htable-gcinterval --reject-with --log-prefix --log-level --nflog-group ' +
    '--nflog-prefix --nflog-threshold --to-source --set-mss --helper --zone --set-xmark --set-mark --or-mark --and-mark ' +
    '--nfmask --ctmask'
  ).split(' '),
);

/** Matches that ask nothing by themselves: their options do. Of others, even without options, it is not known what they ask. */
const MATCHES = new Set(
  'tcp udp icmp icmp6 ipv6-icmp multiport state conntrack comment limit hashlimit connlimit recent addrtype rt pkttype set mark'.split(
    ' ',
  ),
);

const WITHOUT_EFFECT = new Set(
  'LOG NFLOG ULOG MARK CONNMARK TCPMSS DSCP TOS TTL HL CLASSIFY SET CONNSECMARK SECMARK CHECKSUM AUDIT TRACE'.split(
    ' ',
  ),
);

function translation(to: string | undefined): Verdict {
  const [, bracketed, plain, port] = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+|[0-9a-f:]+?))?(?::(\d+))?$/i.exec(to ?? '') ?? [];
  if (to === undefined || (bracketed ?? plain ?? port) === undefined) return { kind: 'unknown' };
  return { kind: 'translate', address: bracketed ?? plain, port: port === undefined ? undefined : Number(port) };
}

function target(
  name: string | undefined,
  options: ReadonlyMap<string, string>,
  goes: 'jump' | 'goto',
  known: ReadonlySet<string>,
): Verdict {
  if (name === undefined || WITHOUT_EFFECT.has(name)) return { kind: 'next' };
  if (known.has(name)) return { kind: goes, chain: name };
  switch (name) {
    case 'ACCEPT':
      return { kind: 'accept' };
    case 'DROP':
      return { kind: 'drop' };
    case 'REJECT':
      return { kind: 'reject' };
    case 'RETURN':
      return { kind: 'return' };
    case 'NOTRACK':
      return { kind: 'untrack' };
    case 'CT':
      return { kind: options.has('--notrack') ? 'untrack' : 'next' };
    case 'SNAT':
    case 'MASQUERADE':
      return { kind: 'accept' };
    case 'DNAT':
      return translation(options.get('--to-destination'));
    case 'REDIRECT':
      return {
        kind: 'translate',
        address: undefined,
        port: Number(options.get('--to-ports')?.split('-')[0]) || undefined,
      };
    default:
      return { kind: 'unknown' };
  }
}

/** Words as iptables-save quotes them. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(
    ([, quoted, plain]) => plain ?? (quoted ?? '').replaceAll(/\\(.)/g, '$1'),
  );
}

function ruleOf(words: readonly string[], place: number, known: ReadonlySet<string>, marks: boolean): Rule {
  const conditions: Condition[] = [];
  const strange: string[] = [];
  const options = new Map<string, string>();
  let [name, goes]: [string | undefined, 'jump' | 'goto'] = [undefined, 'jump'];
  for (let i = 0, negated = false; i < words.length; i++) {
    const word = words[i] ?? '';
    const next = words[i + 1] ?? '';
    const add = (condition: Condition): void => {
      const inverse = negated;
      conditions.push(inverse ? (packet) => not(condition(packet)) : condition);
      negated = false;
    };
    const made = CONDITIONS[word];
    if (word === '!') negated = true;
    else if (made !== undefined) {
      add(made(next));
      options.set(word, next);
      i++;
    } else if (word === '--tcp-flags') {
      add(flags(next, words[i + 2] ?? ''));
      i += 2;
    } else if (word === '--match-set') {
      // Sets of addresses do not name a stranger.
      add((words[i + 2] ?? '') === 'src' ? (packet) => (packet.source === undefined ? false : undefined) : riddle);
      i += 2;
    } else if (word === '--mark') {
      add((packet) => (marks || packet.state !== 'new' ? undefined : Number(next.split('/')[0]) === 0));
      i++;
    } else if (word === '-m') {
      if (!MATCHES.has(next)) strange.push(`-m ${next}`);
      i++;
    } else if (word === '-j' || word === '-g') {
      [name, goes] = [next, word === '-j' ? 'jump' : 'goto'];
      i++;
    } else if (word === '--notrack') options.set(word, '');
    else if (word === '--to-destination' || word === '--to-ports') options.set(word, words[++i] ?? '');
    else if (word === '--update' || word === '--rcheck') add(never);
    else if (VALUED.has(word)) i++;
    else if (!PLAIN.has(word)) strange.push(word);
  }
  const verdict = target(name, options, goes, known);
  if (verdict.kind === 'unknown') strange.push(`-j ${name ?? ''}`);
  const port = Number(options.get('--dport'));
  const inner = options.get('-p') === 'udp' ? 'udp' : 'tcp';
  return {
    text: `rule ${place}${strange.length === 0 ? '' : ` (${strange.slice(0, 3).join(' ')})`}`,
    test: (packet) => {
      const answers = conditions.map((condition) => condition(packet));
      if (answers.includes(false)) return false;
      return strange.length > 0 && verdict.kind !== 'unknown' ? undefined : every(answers);
    },
    act: () => [verdict],
    published: verdict.kind === 'translate' && Number.isInteger(port) ? [{ protocol: inner, port }] : [],
  };
}

/** Who made these rules, by their chains. */
function ownerOf(text: string, backend: 'nft' | 'legacy'): Owner {
  if (/^:ufw6?-/m.test(text)) return 'ufw';
  return backend === 'nft' ? 'iptables' : 'iptables-legacy';
}

/** The ruleset in the text of iptables-save (4) or ip6tables-save (6). Total: lines of another form are passed over. */
export function parseIptables(text: string, family: 4 | 6, backend: 'nft' | 'legacy'): Ruleset {
  const base: BaseChain[] = [];
  const owner = ownerOf(text, backend);
  const marks = /-j (?:MARK|CONNMARK) /.test(text);
  for (const section of text.split(/^COMMIT$/m)) {
    const name = /^\*(\w+)$/m.exec(section)?.[1];
    if (name === undefined) continue;
    const chains = new Map<string, Chain & { readonly rules: Rule[] }>();
    const policies = [...section.matchAll(/^:(\S+) (\S+)/gm)];
    for (const [, chain = ''] of policies) chains.set(chain, { name: chain, rules: [] });
    const known = new Set(chains.keys());
    for (const [, chain = '', rest = ''] of section.matchAll(/^(?:\[\d+:\d+\] )?-A (\S+) ?(.*)$/gm)) {
      const rules = chains.get(chain)?.rules;
      rules?.push(ruleOf(wordsOf(rest), rules.length + 1, known, marks));
    }
    const table: Table = { family: family === 4 ? 'ip' : 'ip6', name, owner, chains };
    for (const [, chain = '', policy] of policies) {
      const hook = HOOKS[chain];
      const rules = chains.get(chain)?.rules ?? [];
      if (hook === undefined) continue;
      const at = { name: chain, rules, hook, table, priority: PRIORITIES[name] ?? 0 };
      base.push({ ...at, nat: name === 'nat', policy: policy === 'DROP' ? 'drop' : 'accept' });
    }
  }
  return { base: base.toSorted((a, b) => a.priority - b.priority) };
}
