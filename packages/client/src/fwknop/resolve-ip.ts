/** Finds out the public address of this device. */
import { familyOf, formatAddress, parseAddress, sameAddress } from '@postern/protocol';
import { EXIT, PersonError } from '@postern/terminal';
import { askHost } from '../ask-host.ts';
import type { HostBook } from '../book.ts';
import { realSurroundings } from '../dgram-transport.ts';
import { answersOf } from '../knock.ts';
import type { Settings } from './variables.ts';

/** The page that fwknop asks. */
const PAGE = 'https://www.cipherdyne.org/cgi-bin/myip';
const PATIENCE_MS = 10_000;
/** More than a page with an address, in characters. */
const PAGE_MAX = 64 * 1024;

/**
 * The address at which the gate itself sees this device, where it was joined with its native protocol: nobody else is asked or believed.
 * Undefined if it was not, or does not answer.
 */
export async function addressByGate(
  book: HostBook,
  server: string,
  addresses: readonly Uint8Array[],
  family: 4 | 6,
): Promise<Uint8Array | undefined> {
  const name = book
    .names()
    .find((known) => known === server.toLowerCase() || speaksFor(book, known, server, addresses));
  const host = name === undefined ? undefined : book.find(name);
  if (host === undefined || host.enrolment !== undefined) return undefined;
  const options = { surroundings: realSurroundings(), reach: 'any', family, patience: 3_000 } as const;
  const result = await askHost(book, host, { kind: 'whoami' }, options).catch((error: unknown) => {
    if (error instanceof PersonError) return [];
    throw error;
  });
  return result.length === 0 ? undefined : answersOf(result)[0]?.outcome.receipt.address;
}

function speaksFor(book: HostBook, name: string, server: string, addresses: readonly Uint8Array[]): boolean {
  return book.summary(name).addresses.some((text) => {
    const address = parseAddress(text);
    return text === server || (address !== undefined && addresses.some((other) => sameAddress(other, address)));
  });
}

/**
 * The address that a page says.
 *
 * @throws PersonError if the page cannot be asked or says none
 */
export async function addressByPage(settings: Settings, userAgent: string, family: 4 | 6): Promise<Uint8Array> {
  const page = settings.get('RESOLVE_URL')?.value ?? PAGE;
  const url = URL.parse(page.includes('://') ? page : `https://${page}`);
  if (url?.protocol !== 'https:') {
    throw new PersonError(`${settings.get('RESOLVE_URL')?.from ?? '--resolve-url'}: a page of https expected`, {
      hint: 'by http everybody on the way could put in an address, and it would be let in',
      exitCode: EXIT.usage,
    });
  }
  const text = await textOf(url, userAgent, family);
  const found = addressIn(text, family);
  if (found !== undefined) return found;
  throw new PersonError(`${url.host} said no IPv${family} address`, { hint: instead(), exitCode: EXIT.silent });
}

/** The first address of a family in a text; undefined if there is none. */
export function addressIn(text: string, family: 4 | 6): Uint8Array | undefined {
  const words = text.match(family === 4 ? /[0-9]{1,3}(?:\.[0-9]{1,3}){3}/g : /[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*/g) ?? [];
  return words.map(parseAddress).find((address) => address !== undefined && familyOf(address) === family);
}

async function textOf(url: URL, userAgent: string, family: 4 | 6): Promise<string> {
  const { get } = await import('node:https');
  return new Promise((resolve, reject) => {
    const fail = (what: string): void => {
      reject(
        new PersonError(`cannot ask ${url.host} for the address: ${what}`, { hint: instead(), exitCode: EXIT.silent }),
      );
    };
    // The whole exchange has a limit, not only its silences.
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const request = get(url, { family, agent: false, headers: { 'user-agent': userAgent }, signal }, (response) => {
      if (response.statusCode !== 200) {
        response.destroy();
        fail(`HTTP ${response.statusCode ?? '?'}`);
        return;
      }
      let text = '';
      response.setEncoding('latin1').on('data', (chunk: string) => {
        text += chunk;
        if (text.length > PAGE_MAX) response.destroy();
      });
      response.once('close', () => {
        resolve(text.slice(0, PAGE_MAX));
      });
    });
    request.on('error', (error: NodeJS.ErrnoException) => {
      fail(signal.aborted ? `no answer within ${PATIENCE_MS / 1000} s` : (error.code ?? error.message));
    });
  });
}

function instead(): string {
  return '--resolve-url names another page, -a ADDRESS says the address';
}

/** How an address is told. */
export function resolvedLine(address: Uint8Array, by: string): string {
  return `this device is ${formatAddress(address)} for ${by}`;
}
