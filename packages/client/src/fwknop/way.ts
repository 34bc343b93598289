/** How a packet travels, by the settings. */
import { familyOf, parseAddress } from '@postern/protocol';
import { EXIT, PersonError } from '@postern/terminal';
import { choiceOf, numberOf, portOf, switchOf, wrongSetting } from './read-setting.ts';
import type { Settings } from './variables.ts';

/** How fwknop sends. */
export const FWKNOP_TRANSPORTS = ['udp', 'tcp', 'http', 'tcpraw', 'udpraw', 'icmp'] as const;
/** One of them. */
export type FwknopTransport = (typeof FWKNOP_TRANSPORTS)[number];

/** Where a packet goes, and how. */
export interface FwknopWay {
  readonly transport: FwknopTransport;
  /** Undefined where none was named: enough for --test. */
  readonly server: string | undefined;
  readonly port: number;
  readonly proxy: { readonly host: string; readonly port: number | undefined } | undefined;
  readonly sourcePort: number | undefined;
  /** Address that the packet says it comes from, 16 bytes. */
  readonly spoofed: Uint8Array | undefined;
  readonly icmp: { readonly type: number | undefined; readonly code: number };
  readonly ipv4Only: boolean;
  readonly userAgent: string;
}

/** Where fwknop servers listen. */
const PORT = 62_201;
/** Random ports are from here to 65535. */
const RANDOM_PORT_MIN = 1_024;
/** What the newest fwknop calls itself: its server over HTTP looks for the first word. */
const USER_AGENT = 'Fwknop/2.6.10';
const WGET = 'Wget/1.21.3';

/** Whether a transport needs raw sockets. */
export function isRaw(transport: FwknopTransport): transport is 'tcpraw' | 'udpraw' | 'icmp' {
  return transport === 'tcpraw' || transport === 'udpraw' || transport === 'icmp';
}

/**
 * The way.
 *
 * @param random - a number from 0 up to, but not including, the one given
 * @throws PersonError for what is wrong, or does not go together
 */
export function fwknopWay(settings: Settings, random: (below: number) => number): FwknopWay {
  const proxy = proxyOf(settings);
  const transport = proxy === undefined ? (choiceOf(settings, 'SPA_SERVER_PROTO', FWKNOP_TRANSPORTS) ?? 'udp') : 'http';
  const spoofed = spoofedSource(settings, transport);
  const icmpType = numberOf(settings, 'ICMP_TYPE', 'a number', 0, 255);
  const icmpCode = numberOf(settings, 'ICMP_CODE', 'a number', 0, 255);
  if (transport !== 'icmp' && (icmpType !== undefined || icmpCode !== undefined)) {
    throw usage('--icmp-type and --icmp-code go with -P icmp', 'leave them out, or send by icmp');
  }
  const server = settings.get('SPA_SERVER')?.value;
  if (server !== undefined && !/^[A-Za-z0-9._:%-]{1,253}$/.test(server)) {
    throw wrongSetting(settings, 'SPA_SERVER', 'a host name or an address', 'for example: gate.example.com');
  }
  return {
    ...{ transport, server, proxy, spoofed },
    port: switchOf(settings, 'RAND_PORT')
      ? RANDOM_PORT_MIN + random(65_536 - RANDOM_PORT_MIN)
      : (portOf(settings, 'SPA_SERVER_PORT') ?? PORT),
    sourcePort: portOf(settings, 'SPA_SOURCE_PORT'),
    icmp: { type: icmpType, code: icmpCode ?? 0 },
    ipv4Only: switchOf(settings, 'SERVER_RESOLVE_IPV4'),
    userAgent: userAgentOf(settings),
  };
}

function proxyOf(settings: Settings): FwknopWay['proxy'] {
  const text = settings.get('HTTP_PROXY')?.value;
  if (text === undefined) return undefined;
  const [, host6, host4, digits] =
    /^(?:http:\/\/)?(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{1,5}))?\/?$/.exec(text) ?? [];
  const host = host6 ?? host4;
  const port = digits === undefined ? undefined : Number(digits);
  if (host === undefined || (port !== undefined && !(port >= 1 && port <= 65_535))) {
    throw wrongSetting(settings, 'HTTP_PROXY', 'HOST or HOST:PORT', 'for example: -H proxy.example.com:3128');
  }
  return { host, port };
}

function spoofedSource(settings: Settings, transport: FwknopTransport): Uint8Array | undefined {
  const text = settings.get('SPOOF_SOURCE_IP')?.value;
  if (text === undefined) return undefined;
  if (!isRaw(transport)) {
    throw usage('-Q goes with -P udpraw, tcpraw and icmp', 'with others the system says where a packet comes from');
  }
  const address = parseAddress(text);
  if (address === undefined) throw wrongSetting(settings, 'SPOOF_SOURCE_IP', 'an address', 'for example: 192.0.2.7');
  return address;
}

/** What HTTP requests call this program. */
function userAgentOf(settings: Settings): string {
  const text = settings.get('HTTP_USER_AGENT')?.value;
  if (text === undefined) return switchOf(settings, 'USE_WGET_USER_AGENT') ? WGET : USER_AGENT;
  if (!/^[\x20-\x7e]{1,200}$/.test(text)) {
    throw wrongSetting(settings, 'HTTP_USER_AGENT', '1 to 200 characters of ASCII', 'for example: -u Mozilla/5.0');
  }
  return text;
}

/** The family of a spoofed source, which the packet has to have. */
export function familyOfWay({ spoofed, ipv4Only }: FwknopWay): 4 | 6 | undefined {
  return spoofed !== undefined ? familyOf(spoofed) : ipv4Only ? 4 : undefined;
}

function usage(message: string, hint: string): PersonError {
  return new PersonError(message, { hint, exitCode: EXIT.usage });
}
