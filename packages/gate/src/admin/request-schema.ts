/** The daemon's check of what comes over the admin socket. It comes from root, so this guards against mistakes and old commands. */
import { EXIT, nearest, PersonError } from '@postern/terminal';
import * as v from 'valibot';
import { ALLOW_FORM, isInterface, parseAllowed, TRUST_FORM } from '../config/allow.ts';
import type { AdminCommand, AdminRequest } from './protocol.ts';

const name = v.pipe(v.string(), v.minLength(1), v.maxLength(64));
const hours = v.optional(v.pipe(v.number(), v.gtValue(0), v.maxValue(8_760)));
const id = v.pipe(v.string(), v.regex(/^[0-9a-f]{6,32}$/));
const after = v.optional(v.pipe(v.string(), v.maxLength(256)));
const port = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65_535));
const address = v.pipe(v.string(), v.maxLength(64));

const connection = v.strictObject({ localAddress: address, localPort: port, remoteAddress: address, remotePort: port });
const evidence = v.strictObject({
  terminal: v.picklist(['console', 'pts', 'none']),
  ancestors: v.pipe(
    v.array(
      v.strictObject({
        pid: v.pipe(v.number(), v.integer(), v.minValue(1)),
        name: v.pipe(v.string(), v.maxLength(64)),
        connections: v.array(connection),
      }),
    ),
    v.maxLength(1_024),
  ),
  complete: v.boolean(),
});

const schemas = {
  status: v.strictObject({}),
  'user.add': v.strictObject({ name, services: v.optional(v.array(name)), expiresHours: hours }),
  invite: v.strictObject({ name, expiresHours: hours }),
  'user.list': v.strictObject({ after }),
  'user.revoke': v.strictObject({ name }),
  'device.list': v.strictObject({ after, user: v.optional(name) }),
  'device.revoke': v.strictObject({ id }),
  'grant.list': v.strictObject({ after }),
  'grant.end': v.strictObject({ id }),
  check: v.strictObject({}),
  protect: v.strictObject({
    service: name,
    seconds: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(86_400)),
    force: v.boolean(),
  }),
  confirm: v.strictObject({ service: v.optional(name), evidence }),
  unprotect: v.strictObject({ service: name }),
  dark: v.strictObject({
    allow: v.pipe(
      v.array(
        v.pipe(
          v.string(),
          v.check((text) => parseAllowed(text) !== undefined, ALLOW_FORM),
        ),
      ),
      v.maxLength(256),
    ),
    trust: v.pipe(v.array(v.pipe(v.string(), v.check(isInterface, TRUST_FORM))), v.maxLength(64)),
    seconds: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(86_400)),
    force: v.boolean(),
  }),
  undo: v.strictObject({ all: v.boolean() }),
  reload: v.strictObject({}),
} satisfies Record<AdminCommand, v.GenericSchema>;

const envelope = v.strictObject({ command: v.string(), arguments: v.optional(v.unknown()) });

function refuse(
  message: string,
  hint = 'the command and the daemon may be of different versions: restart posternd',
): never {
  throw new PersonError(message, { hint, exitCode: EXIT.usage });
}

function isCommand(text: string): text is AdminCommand {
  return Object.hasOwn(schemas, text);
}

/**
 * Reads one request line.
 *
 * @throws PersonError with {@link EXIT.usage} for everything that is not a request; its message quotes what came as JSON, so escaped
 */
export function parseRequest(line: string): AdminRequest {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    return refuse('the request is not JSON');
  }
  const outer = v.safeParse(envelope, json);
  if (!outer.success) return refuse('the request is not { "command", "arguments" }');
  const { command } = outer.output;
  if (!isCommand(command)) {
    const near = nearest(command, Object.keys(schemas));
    return refuse(
      `the daemon knows no command ${JSON.stringify(command.slice(0, 64))}`,
      near === undefined ? undefined : `did you mean \`${near}\`?`,
    );
  }
  const inner = v.safeParse(schemas[command], outer.output.arguments ?? {});
  if (!inner.success) {
    const [issue] = inner.issues;
    const path = issue.path?.map((item) => String(item.key)).join('.') ?? 'arguments';
    return refuse(`${command}: ${path}: ${issue.message.slice(0, 200)}`);
  }
  // The table above pairs every command with the schema of its arguments; TypeScript cannot follow an index by a union.
  return { command, arguments: inner.output } as AdminRequest;
}
