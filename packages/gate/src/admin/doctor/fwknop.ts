/** What is weak in what is heard of fwknop's packets. Pure. */
import { formatEndpoint } from '../../config/endpoint.ts';
import { formatHearing } from '../../config/fwknop/hearing.ts';
import type { FwknopStanza } from '../../config/fwknop/model.ts';
import type { Finding } from '../finding.ts';
import { withConfig } from '../options.ts';
import { listNames } from '../wording.ts';
import type { Subject } from './examiner.ts';

function stanzasOf({ configuration }: Subject): readonly FwknopStanza[] {
  return configuration.fwknop?.stanzas ?? [];
}

/** One finding for all stanzas that have the same weakness. */
function those(
  subject: Subject,
  weak: (stanza: FwknopStanza) => boolean,
  finding: Omit<Finding, 'what'> & { readonly what: (names: string) => string },
): Finding[] {
  const names = stanzasOf(subject)
    .filter(weak)
    .map(({ name }) => name);
  return names.length === 0 ? [] : [{ ...finding, what: finding.what(listNames(names)) }];
}

/** Stanzas whose packets anybody can change, or are encrypted as nobody should any more. */
export function fwknopPackets(subject: Subject): Finding[] {
  const { file } = subject.configuration;
  return [
    ...those(subject, ({ hmac }) => hmac === undefined, {
      ...{ severity: 'warning', code: 'fwknop-no-hmac' },
      what: (names) => `packets of fwknop without an HMAC are taken: ${names}`,
      why: 'whoever catches one can change it, and every packet of a stranger has to be decrypted',
      mend: `give its client an HMAC key, remove hmac = "none" in ${file}, and write hmac_key into fwknop.keys`,
    }),
    ...those(subject, ({ hmac }) => hmac?.digest === 'md5' || hmac?.digest === 'sha1', {
      ...{ severity: 'note', code: 'fwknop-old-digest' },
      what: (names) => `an HMAC with MD5 or SHA-1: ${names}`,
      why: 'it holds, but is used for nothing new',
      mend: 'HMAC_DIGEST_TYPE sha256 at its client, and hmac = "sha256" here',
    }),
    ...those(subject, ({ cipher }) => cipher.kind === 'symmetric' && ['ecb', 'legacy'].includes(cipher.mode), {
      ...{ severity: 'warning', code: 'fwknop-old-mode' },
      what: (names) => `packets are encrypted in ECB or legacy mode: ${names}`,
      why: 'ECB shows where two packets say the same; legacy uses 16 bytes of a key at most',
      mend: 'ENCRYPTION_MODE CBC at its client, and mode = "cbc" here',
    }),
    ...sharedKeys(stanzasOf(subject)),
  ];
}

function sharedKeys(stanzas: readonly FwknopStanza[]): Finding[] {
  const owners = new Map<string, Set<string>>();
  for (const { name, cipher, hmac } of stanzas) {
    for (const key of [
      ...(cipher.kind === 'symmetric' ? [cipher.key] : []),
      ...(hmac === undefined ? [] : [hmac.key]),
    ]) {
      const text = Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('base64');
      owners.set(text, (owners.get(text) ?? new Set()).add(name));
    }
  }
  const groups = new Set([...owners.values()].filter(({ size }) => size > 1).map((names) => listNames([...names])));
  return [...groups].map((names) => ({
    ...{ severity: 'warning', code: 'fwknop-shared-keys' },
    what: `stanzas share keys: ${names}`,
    why: 'they cannot be told apart, and none of their clients can be shut out alone',
    mend: 'keys of its own for each client: `fwknop --key-gen`, or `posternd invite`, which needs none',
  }));
}

/** Stanzas that run commands. */
export function fwknopCommands(subject: Subject): Finding[] {
  const anywhere = ({ sources }: FwknopStanza): boolean => sources.some(({ prefix }) => prefix === 0);
  return [
    ...those(subject, (stanza) => stanza.commandUser !== undefined && anywhere(stanza), {
      ...{ severity: 'warning', code: 'fwknop-commands-anywhere' },
      what: (names) => `commands of clients are run, wherever they come from: ${names}`,
      why: 'whoever has its keys runs what he likes, from everywhere',
      mend: `set \`source\` of the stanza in ${subject.configuration.file}`,
    }),
    ...those(
      subject,
      ({ commandUser, cycle, cycleUser }) => commandUser === 'root' || (cycle !== undefined && cycleUser === 'root'),
      {
        ...{ severity: 'warning', code: 'fwknop-commands-root' },
        what: (names) => `commands run as root: ${names}`,
        why: 'a mistake in one of them is a mistake of root',
        mend: 'command_user = "nobody", or `user` in `cycle`, or another user, where that is enough',
      },
    ),
  ];
}

/** Keyrings that are not there. */
export function fwknopKeyrings(subject: Subject): Finding[] {
  const { missingKeyrings } = subject.facts;
  return those(subject, ({ cipher }) => cipher.kind === 'gpg' && missingKeyrings.includes(cipher.home), {
    ...{ severity: 'error', code: 'fwknop-gpg-home' },
    what: (names) => `the keyring of gpg cannot be read: ${names} (${listNames(missingKeyrings)})`,
    why: 'none of its packets can be decrypted',
    mend: `set \`home\` in \`gpg\` of the stanza in ${subject.configuration.file} to the directory of the keyring`,
  });
}

/** Where packets are heard. */
export function fwknopHearing({ configuration }: Subject): Finding[] {
  const hear = configuration.fwknop?.hear ?? [];
  const tcp = hear.filter(({ protocol }) => protocol === 'tcp').map(formatHearing);
  const ranges = hear.filter((place) => place.protocol === 'udp' && place.first < place.last).map(formatHearing);
  const found: Finding[] = [];
  if (tcp.length > 0) {
    found.push({
      ...{ severity: 'note', code: 'fwknop-answers' },
      what: `packets of fwknop are heard at ${listNames(tcp)}`,
      why: 'a port that accepts connections answers strangers: it is heard, but not silent',
      mend: 'let clients send by udp, and remove it from `hear`, unless a server is there anyway',
    });
  }
  if (ranges.length > 0) {
    found.push({
      ...{ severity: 'note', code: 'fwknop-range' },
      what: `packets of fwknop are heard at ${listNames(ranges)}`,
      why: 'closed ports of the range answer with ICMP, unless the firewall drops what comes there: who sends a packet learns that the host lives',
      mend: `hear = ["udp/${configuration.port}"], or hide the whole host: posternd dark${withConfig(configuration.file)}`,
    });
  }
  return found;
}

/** Ports that requests may open and that nothing hides. */
export function fwknopPorts({ configuration }: Subject): Finding[] {
  if (configuration.dark) return [];
  const hidden = new Set(configuration.services.flatMap(({ endpoints }) => endpoints.map(formatEndpoint)));
  const ports = new Set(
    (configuration.fwknop?.stanzas ?? [])
      .filter(({ cycle }) => cycle === undefined)
      .flatMap(({ openPorts }) => (openPorts ?? []).map(formatEndpoint))
      .filter((port) => !hidden.has(port)),
  );
  const [first] = ports;
  if (first === undefined) return [];
  return [
    {
      ...{ severity: 'warning', code: 'fwknop-opens-nothing' },
      what: `requests of fwknop open ports that nothing hides: ${listNames([...ports])}`,
      why: 'a grant lets through what Postern hides; rules of the host that drop a port it does not lift',
      mend: `add a service with \`ports = ["${first}"]\` to ${configuration.file}, then: posternd reload && posternd protect NAME`,
    },
  ];
}
