/** What a packet asks for, by the settings. */
import { parseAddress } from '@postern/protocol';
import type { FwknopPort } from '@postern/protocol/fwknop';
import { EXIT, PersonError } from '@postern/terminal';
import { numberOf, portOf, switchOf, wrongSetting } from './read-setting.ts';
import { isOn, type FwknopSetting, type Settings } from './variables.ts';

/** For whom to open: where the packet comes from, found out first, or an address of 16 bytes. */
export type Allowed = 'source' | 'resolve' | Uint8Array;

/** What is asked for. */
export type FwknopRequest =
  | { readonly kind: 'command'; readonly command: string }
  | { readonly kind: 'access'; readonly ports: readonly FwknopPort[] }
  | {
      readonly kind: 'nat-access' | 'local-nat-access';
      readonly ports: readonly FwknopPort[];
      readonly nat: { readonly host: string; readonly port: number };
    };

/** Longest time that a server reads, in seconds: fwknop's own client takes more, and its server drops that. */
const TIMEOUT_MAX = 65_536;
/** Random ports are from here to 65535, as fwknop has it for NAT. */
const RANDOM_PORT_MIN = 10_000;
/** Longest host of a NAT request, in characters. */
const NAT_HOST_MAX = 70;
const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/**
 * Ports, NAT or the command.
 *
 * @param random - a number from 0 up to, but not including, the one given
 * @throws PersonError for what is missing, wrong, or does not go together
 */
export function fwknopRequest(settings: Settings, random: (below: number) => number): FwknopRequest {
  const command = settings.get('SERVER_CMD')?.value;
  const wantsNat = settings.has('NAT_ACCESS') || switchOf(settings, 'NAT_LOCAL');
  if (command !== undefined) {
    if (wantsNat) throw usage('-C does not go with -N and --nat-local', 'send two packets');
    if (!/^[\x20-\x7e]+$/.test(command)) {
      throw wrongSetting(settings, 'SERVER_CMD', 'a command of printable ASCII', "for example: -C '/bin/true'");
    }
    return { kind: 'command', command };
  }
  const ports = portsOf(settings);
  const [first] = ports;
  if (first === undefined) throw usage('what shall be opened? -A says it', 'for example: -A tcp/22');
  const natPort = switchOf(settings, 'NAT_RAND_PORT')
    ? RANDOM_PORT_MIN + random(65_536 - RANDOM_PORT_MIN)
    : portOf(settings, 'NAT_PORT');
  if (natPort !== undefined && ports.length > 1) {
    throw usage('--nat-port and --nat-rand-port go with one port of -A', 'send a packet for each');
  }
  const entry = natPort === undefined ? ports : [{ protocol: first.protocol, port: natPort }];
  if (!wantsNat) return { kind: 'access', ports: entry };
  return {
    kind: switchOf(settings, 'NAT_LOCAL') ? 'local-nat-access' : 'nat-access',
    ports: entry,
    nat: natTarget(settings, first.port),
  };
}

function portsOf(settings: Settings): FwknopPort[] {
  const text = settings.get('ACCESS')?.value;
  if (text === undefined) return [];
  return text.split(',').map((item) => {
    const [, protocol, digits] = /^(tcp|udp)\/([0-9]{1,5})$/.exec(item) ?? [];
    const port = Number(digits);
    if (!(port >= 1 && port <= 65_535)) {
      const icmp = /^(icmp|none)\//i.test(item) ? '; fwknop has no other protocols, whatever its manual says' : '';
      throw wrongSetting(
        settings,
        'ACCESS',
        'tcp/PORT or udp/PORT, parted by commas',
        `for example: tcp/22,udp/53${icmp}`,
      );
    }
    return { protocol: protocol === 'udp' ? 'udp' : 'tcp', port };
  });
}

function natTarget(settings: Settings, usual: number): { host: string; port: number } {
  const text = settings.get('NAT_ACCESS')?.value ?? settings.get('SPA_SERVER')?.value;
  if (text === undefined)
    throw usage('--nat-local needs the server (-D), or a host (-N)', 'for example: -N 127.0.0.1:22');
  const bare = parseAddress(text) !== undefined || !settings.has('NAT_ACCESS');
  const [, host6, host = host6, digits] = bare
    ? ['', text, text]
    : (/^(?:\[([0-9A-Fa-f:.]+)\]|([^:,]+))(?:[:,]([0-9]{1,5}))?$/.exec(text) ?? []);
  const port = digits === undefined ? usual : Number(digits);
  const sound = host !== undefined && host.length <= NAT_HOST_MAX && !/[\s/?"'\\,[\]]|[^\x21-\x7e]/.test(host);
  if (!sound || !(port >= 1 && port <= 65_535)) {
    throw wrongSetting(
      settings,
      settings.has('NAT_ACCESS') ? 'NAT_ACCESS' : 'SPA_SERVER',
      `HOST, HOST:PORT or HOST,PORT, with at most ${NAT_HOST_MAX} characters of host`,
      'for example: 10.0.0.5:80, or [2001:db8::5]:80 with posternd',
    );
  }
  return { host, port };
}

/** For whom to open. @throws PersonError if nothing says it */
export function allowedOf(settings: Settings): Allowed {
  const text = settings.get('ALLOW_IP')?.value.toLowerCase();
  if (text === undefined) {
    const resolves = (['RESOLVE_IP_HTTPS', 'RESOLVE_IP_HTTP', 'RESOLVE_HTTP_ONLY', 'RESOLVE_URL'] as const).some(
      (name) => (name === 'RESOLVE_URL' ? settings.has(name) : isOn(settings.get(name)?.value ?? '')),
    );
    if (resolves) return 'resolve';
    throw usage(
      'for which address shall it be opened?',
      '-a ADDRESS, -R (finds it out), or -s (where the packet comes from; who can change it on the way gets in)',
    );
  }
  if (text === 'source' || text === 'resolve') return text;
  const address = parseAddress(text);
  if (address !== undefined) return text === '0.0.0.0' ? 'source' : address;
  throw wrongSetting(settings, 'ALLOW_IP', 'an address, `source` or `resolve`', 'for example: 192.0.2.7');
}

/** How long to open, in seconds; 0 leaves it to the server. */
export function timeoutOf(settings: Settings): number {
  return numberOf(settings, 'FW_TIMEOUT', 'seconds', 0, TIMEOUT_MAX) ?? 0;
}

/** What is added to the clock, in seconds. */
export function offsetOf(settings: Settings, name: FwknopSetting = 'TIME_OFFSET'): number {
  const text = settings.get(name)?.value;
  if (text === undefined) return 0;
  const [, sign, digits, unit = 's'] =
    /^(-?)([0-9]{1,5})(s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:our)?s?|d(?:ay)?s?)?$/i.exec(text) ?? [];
  const count = Number(digits);
  if (!(count <= 65_536))
    throw wrongSetting(settings, name, 'a number up to 65536 and s, min, h or d', 'for example: 5min');
  return (sign === '-' ? -1 : 1) * count * (SECONDS[unit.charAt(0).toLowerCase()] ?? 1);
}

function usage(message: string, hint: string): PersonError {
  return new PersonError(message, { hint, exitCode: EXIT.usage });
}
