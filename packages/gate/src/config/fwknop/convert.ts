/** A fwknopd.conf and an access.conf as native configuration, with a report of what became of every variable. */
import type { Note } from '../import-note.ts';
import type { AccessFile, AccessStanza } from './access-file.ts';
import { convertStanza, type StanzaSettings } from './convert-stanza.ts';
import { settingOf, type FwknopdFile } from './fwknopd-file.ts';
import { formatHearing } from './hearing.ts';
import type { StanzaKeys } from './keys-file.ts';
import { parsePcapFilter } from './pcap-filter.ts';
import { DEFAULT_MAX_AGE, MOST_SECONDS, type FwknopTable, type StanzaTable } from './schema.ts';
import { MEANINGLESS } from './settings.ts';
import { isYes, type Variable } from './variable-line.ts';

/** A stanza, as it is called here. */
export interface ImportedStanza {
  readonly name: string;
  readonly table: StanzaTable;
  readonly keys: StanzaKeys;
}

/** What became of one SOURCE. */
export interface ImportedSource {
  readonly file: string;
  /** Line of SOURCE, from 1. */
  readonly line: number;
  /** What it is called in the report. */
  readonly name: string;
  /** None where something in it cannot be: nothing was left out of it in silence. */
  readonly stanzas: readonly ImportedStanza[];
  readonly notes: readonly Note[];
}

/** All of it. */
export interface FwknopImport {
  /** Without `hear` where what is heard cannot be said here. */
  readonly settings: Omit<FwknopTable, 'stanzas'>;
  readonly sources: readonly ImportedSource[];
  readonly notes: readonly Note[];
}

/** Converts what was read. @param now - for whether a stanza has run out */
export function convertFwknop(daemon: FwknopdFile, access: AccessFile, now: Date): FwknopImport {
  const notes: Note[] = [...daemon.notes, ...access.notes];
  const settings = settingsOf(daemon, notes);
  const on = (...names: readonly string[]): boolean => names.some((name) => isYes(settingOf(daemon, name)));
  const all: StanzaSettings = {
    nat: {
      forward: on('ENABLE_IPT_FORWARDING', 'ENABLE_FIREWD_FORWARDING'),
      local: on('ENABLE_IPT_LOCAL_NAT', 'ENABLE_FIREWD_LOCAL_NAT'),
      masquerade: on('ENABLE_IPT_SNAT', 'ENABLE_FIREWD_SNAT'),
    },
    gpg: { home: settingOf(daemon, 'GPG_HOME_DIR') ?? '', program: settingOf(daemon, 'GPG_EXE') ?? '' },
    now,
  };
  const names = new Set<string>();
  const sources = access.stanzas.map((stanza, index): ImportedSource => {
    const { tables, notes: told } = convertStanza(stanza, all);
    const name = nameFor(stanza, index, names);
    return {
      ...{ file: stanza.file, line: stanza.line, name, notes: told },
      stanzas: tables.map(({ table, keys }, i) => ({ name: i === 0 ? name : `${name}-gpg`, table, keys })),
    };
  });
  return { settings, sources: withShared(sources), notes };
}

/** Stanzas have no names in an access.conf: they are called after the user that they ask for, or by their place. */
function nameFor({ values }: AccessStanza, index: number, taken: Set<string>): string {
  const user = (values.get('REQUIRE_USERNAME')?.value ?? '')
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '');
  const short = user.slice(0, 50);
  const plain = user === '' ? `stanza-${index + 1}` : /^\d+$/.test(short) ? `user-${short}` : short;
  let name = plain;
  for (let number = 2; taken.has(name); number++) name = `${plain}-${number}`;
  taken.add(name).add(`${name}-gpg`);
  return name;
}

/** Notes of stanzas whose keys are another's, too. */
function withShared(sources: readonly ImportedSource[]): readonly ImportedSource[] {
  const owners = new Map<string, string>();
  return sources.map((source) => {
    const shared = new Set<string>();
    for (const { keys } of source.stanzas) {
      for (const key of [keys.key, keys.hmacKey]) {
        if (key === undefined) continue;
        const text = Buffer.from(key.reveal()).toString('base64');
        const owner = owners.get(text);
        if (owner !== undefined && owner !== source.name) shared.add(owner);
        else owners.set(text, source.name);
      }
    }
    const notes = [...shared].map((owner): Note => ({
      ...{ fate: 'weak', file: source.file, line: source.line },
      text: `it shares keys with ${owner}: the two cannot be told apart, and none of them can be shut out alone`,
      mend: ['KEY_BASE64 and HMAC_KEY_BASE64 of its own, as `fwknop --key-gen` makes them'],
    }));
    return { ...source, notes: [...source.notes, ...notes] };
  });
}

function settingsOf(daemon: FwknopdFile, notes: Note[]): Omit<FwknopTable, 'stanzas'> {
  const note: Say = (fate, at, text, mend) => {
    if (at === undefined || text === undefined) return;
    const { file, line, name } = at;
    notes.push({ fate, file, line, text: `${name}: ${text}`, ...(mend === undefined ? {} : { mend }) });
  };
  const at = (name: string): Variable | undefined => daemon.values.get(name);
  const on = (name: string): boolean => isYes(settingOf(daemon, name));
  const hear = hearOf(daemon, note);
  if (!on('ENABLE_DIGEST_PERSISTENCE'))
    note('changed', at('ENABLE_DIGEST_PERSISTENCE'), 'a packet that was used is refused, always');
  if (on('ENABLE_DESTINATION_RULE')) {
    const text = 'a grant is for a port at every address of this host';
    note('changed', at('ENABLE_DESTINATION_RULE'), text);
  }
  if (on('ALLOW_ANY_USER_AGENT')) {
    const text = "a request by HTTP must call itself Fwknop, as fwknop's client does";
    note('changed', at('ALLOW_ANY_USER_AGENT'), text);
  }
  if (on('ENABLE_PCAP_ANY_DIRECTION'))
    note('changed', at('ENABLE_PCAP_ANY_DIRECTION'), 'packets that this host sends are not heard');
  note('no-meaning', at('TCPSERV_PORT'), 'no TCP port is opened here');
  if (on('ENABLE_X_FORWARDED_FOR'))
    note('changed', at('ENABLE_X_FORWARDED_FOR'), 'a request comes from where its packet comes from, whatever it says');
  if (on('ENABLE_IPT_SNAT') || on('ENABLE_FIREWD_SNAT')) {
    const text = 'a service sees the address of the interface by which this host reaches it, whatever stands here';
    note('changed', at('SNAT_TRANSLATE_IP'), text);
  }
  note(
    'changed',
    at('ACCESS_FOLDER'),
    'its files are read in the order of their names, which fwknopd does not promise',
  );
  const age = ageOf(daemon, note);
  for (const [name, variable] of daemon.values) note('no-meaning', variable, MEANINGLESS[name]);
  noteCarried(daemon, notes);
  return {
    ...(hear === undefined ? {} : { hear }),
    max_age: age,
    nat_names: on('ENABLE_NAT_DNS'),
  };
}

/** What nothing else was said of. */
function noteCarried(daemon: FwknopdFile, notes: Note[]): void {
  const carried = [...daemon.values.values()].filter(
    ({ name }) => !notes.some(({ text }) => text.startsWith(`${name}: `)),
  );
  const [first] = carried;
  if (first === undefined) return;
  notes.push({ fate: 'carried', file: first.file, line: first.line, text: carried.map(({ name }) => name).join(', ') });
}

/** Says something of a variable that is there. */
type Say = (fate: Note['fate'], at: Variable | undefined, text: string | undefined, mend?: readonly string[]) => void;

function hearOf(daemon: FwknopdFile, note: Say): readonly string[] | undefined {
  const at = (name: string): Variable | undefined => daemon.values.get(name);
  const on = (name: string): boolean => isYes(settingOf(daemon, name));
  if (on('ENABLE_TCP_SERVER')) {
    const text = 'nothing is opened here: a packet to a TCP port is heard where another program accepts the connection';
    note('changed', at('ENABLE_TCP_SERVER'), text, [
      'hear = ["udp/62201", "tcp/N"]  # N: a port of a server that is there anyway',
    ]);
  }
  if (on('ENABLE_SPA_OVER_HTTP')) {
    const text = 'requests by HTTP are heard at each TCP port that is heard, where a web server answers them';
    note('changed', at('ENABLE_SPA_OVER_HTTP'), text);
  }
  for (const [name, port] of [
    ['ENABLE_UDP_SERVER', 'UDPSERV_PORT'],
    ['ENABLE_NFQ_CAPTURE', 'NFQ_PORT'],
  ] as const) {
    if (!on(name)) continue;
    const text = settingOf(daemon, port) ?? '62201';
    const digits = /^\d{1,5}$/.test(text) ? Number(text) : 0;
    if (digits < 1 || digits > 65_535) {
      note('refused', at(port), 'a port of 1 to 65535 is expected');
      return undefined;
    }
    note('changed', at(name), 'the port stays closed: packets are heard before the firewall drops them');
    note('no-meaning', at('PCAP_FILTER'), `${name} is Y`);
    return [`udp/${digits}`];
  }
  const filter = settingOf(daemon, 'PCAP_FILTER') ?? '';
  const places = parsePcapFilter(filter);
  if (places === undefined) {
    const text = 'it cannot be said here: ports of udp and tcp, ranges of them, and icmp can, joined by `or`';
    note('refused', at('PCAP_FILTER'), text, ['PCAP_FILTER udp port 62201;']);
    return undefined;
  }
  if (places.some(({ protocol }) => protocol === 'tcp')) {
    const text = 'a TCP port is heard where another program accepts connections; Postern opens none';
    note('changed', at('PCAP_FILTER'), text);
  }
  return places.map(formatHearing);
}

function ageOf(daemon: FwknopdFile, note: Say): number | 'any' {
  const at = daemon.values.get('MAX_SPA_PACKET_AGE');
  if (!isYes(settingOf(daemon, 'ENABLE_SPA_PACKET_AGING'))) {
    const switched = daemon.values.get('ENABLE_SPA_PACKET_AGING');
    const text = 'packets of any age are taken: one that was kept back opens whenever it comes';
    note('weak', switched, text, ['ENABLE_SPA_PACKET_AGING Y;']);
    return 'any';
  }
  const text = settingOf(daemon, 'MAX_SPA_PACKET_AGE') ?? '';
  const seconds = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (seconds >= 1 && seconds <= MOST_SECONDS) return seconds;
  const taken = seconds > MOST_SECONDS ? MOST_SECONDS : DEFAULT_MAX_AGE;
  note('changed', at, `1 to ${MOST_SECONDS} seconds are possible here: ${taken} s are taken`);
  return taken;
}
