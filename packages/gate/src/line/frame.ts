/**
 * The line between sentry and monitor: a stream of frames of one fixed size in both directions, big-endian. The monitor treats
 * every byte from the sentry as hostile; `monitor/table.ts` is the whole list of what a frame may ask for.
 */

/** Size of every frame, both ways, in bytes. */
export const FRAME = 512;

/** First byte of a frame from the sentry. */
export const FROM_SENTRY = { ready: 1, request: 2, report: 3, door: 4, knocked: 5, fwknop: 6, tally: 7 } as const;

/** First byte of a frame from the monitor. */
export const FROM_MONITOR = { setup: 1, keys: 2, verdict: 3, doors: 4, sets: 5, drop: 6, credential: 7 } as const;

/**
 * Descriptors of the sentry process, fixed at its start. 0 is /dev/null; 1 and 2 are the log. `gpg` is its end of the line of `gpg-line.ts`.
 */
export const SENTRY_FD = {
  line: 3,
  packet4: 4,
  packet6: 5,
  udp4: 6,
  udp6: 7,
  knock4: 8,
  knock6: 9,
  fwknop4: 10,
  fwknop6: 11,
  gpg: 12,
} as const;

/**
 * `request` (sentry to monitor), offsets: one unsealed, not yet verified request.
 * 0 type · 1 suite · 2 gate key that it used (0 current, 1 next) · 3 family of the observed source (4, 6) · 4 id u32, echoed in the
 * verdict · 8 observed source address 16 (IPv4 mapped) · 24 source port u16 · 26 serial of the gate keys · 27 zero 5 · 32 nonce 8 · 40 SHA-256(enc) 32 ·
 * 72 plaintext 0..183 · 255 zero 1 · 256 key of the new device's keyed knocks 32 (zero but for an enrol request) · 288 zero.
 */
export const REQUEST_FRAME = {
  type: 0,
  suite: 1,
  gateKey: 2,
  family: 3,
  id: 4,
  address: 8,
  port: 24,
  serial: 26,
  nonce: 32,
  encHash: 40,
  plaintext: 72,
  zero: 255,
  knockKey: 256,
} as const;

/** What the sentry counts of port knocks: knocks that it saw, packets that were none, events that it sent, and those that were lost to a full line or the ration of their source. */
export const KNOCK_COUNTERS = ['knocks', 'strange', 'doors', 'keyed', 'busy'] as const;

/**
 * `report` (sentry to monitor): 0 type · 1 zero 3 · 4 number of refusal counters u32 · 8 counters of port knocks u32 each, by index in KNOCK_COUNTERS ·
 * 28 refusals u32 each, by index in REFUSALS; all since the sentry's start.
 */
export const REPORT_FRAME = { type: 0, count: 4, knocks: 8, counters: 28 } as const;

/**
 * `door` (sentry to monitor): a source finished a sequence of a door. 0 type · 1 family of the source (4, 6) · 2 door u16 · 4 sequence of the door u16 ·
 * 6 serial of the doors u16 · 8 source 16 (IPv4 mapped) · 24 destination 16 (of the same family) · 40 zero.
 */
export const DOOR_FRAME = {
  type: 0,
  family: 1,
  door: 2,
  sequence: 4,
  serial: 6,
  source: 8,
  destination: 24,
  end: 40,
} as const;

/** The most numbers that a `knocked` frame carries: more than any ring holds. */
export const MOST_NUMBERS = 150;

/**
 * `knocked` (sentry to monitor): a source's last distinct numbers hold enough of a set. 0 type · 1 family · 2 number of numbers u16 · 4 ordinal u32 ·
 * 8 source 16 (IPv4 mapped) · 24 slot u64 · 32 numbers u16 each, distinct · zero.
 */
export const KNOCKED_FRAME = { type: 0, family: 1, count: 2, ordinal: 4, source: 8, slot: 24, numbers: 32 } as const;

/** `ready` (sentry to monitor): 0 type · rest zero. Sent once, after the sandbox is on and the setup was read. */
export const READY_FRAME = { type: 0 } as const;

/**
 * `setup` (monitor to sentry), once, first: 0 type · 1 flags (bit 0 packet sockets present for IPv4, bit 1 for IPv6, bit 2 udp4
 * present, bit 3 udp6 present, bit 4 receive on the udp sockets ("dgram" capture), bit 5 suite 2 required, bits 6 and 7 sockets for port
 * knocks over IPv4 and IPv6 present) · 2 knock port u16 ·
 * 4 X25519 private key 32 · 36 X-Wing seed 32 · 68 more flags u8 (bits 0 and 1 sockets for fwknop's format over IPv4 and IPv6 present, bit 2 line to the
 * GPG helper present) · 69 zero.
 */
export const SETUP_FRAME = { type: 0, flags: 1, port: 2, x25519: 4, xwing: 36, more: 68 } as const;

/** Bits of the setup frame's flags. */
export const SETUP_FLAG = {
  packet4: 1,
  packet6: 2,
  udp4: 4,
  udp6: 8,
  receiveUdp: 16,
  pqRequired: 32,
  knock4: 64,
  knock6: 128,
} as const;

/** Bits of its further flags. */
export const SETUP_MORE = { fwknop4: 1, fwknop6: 2, gpg: 4 } as const;

/** `keys` (monitor to sentry), after setup and at every rotation: 0 type · 1 number of gate keys (1, 2) · 2 their serial u8 · 4 current 32 · 36 next 32 or zero. */
export const KEYS_FRAME = { type: 0, count: 1, serial: 2, current: 4, next: 36 } as const;

/**
 * `verdict` (monitor to sentry): one receipt to be sealed and sent. 0 type · 1 status · 2 zero 2 · 4 id u32 · 8 grant end u64 (unix
 * µs, 0 if none) · 16 gate's time u64 · 24 era u32 · 28 state id 8 · 36 next gate key 32 (zero if none). A refused request draws none.
 */
export const VERDICT_FRAME = { type: 0, status: 1, id: 4, end: 8, now: 16, era: 24, stateId: 28, nextKey: 36 } as const;

/** The most steps of a sequence: as many as fit one frame. */
export const MOST_STEPS = 32;

/** Protocol of a step on the line. */
export const STEP_PROTOCOLS = ['tcp', 'udp', 'icmp', 'icmpv6'] as const;

/**
 * `doors` (monitor to sentry): one piece of the table of doors. The sentry takes a table into use when its last piece came; the pieces of one come in
 * order, without those of another in between. 0 type · 1 flags (bit 0 any order, bit 1 there is a target) · 2 serial u16 · 4 index of the piece u16 ·
 * 6 number of pieces u16; a table of none is one frame without the rest: · 8 door u16 · 10 sequence of the door u16 · 12 other ports that it forgives
 * u16 · 14 number of steps u8 · 15 zero 1 · 16 time from the first to the last step u32, ms · 20 target 16 (IPv4 mapped) · 36 zero 4 · 40 steps of 14
 * bytes: protocol u8 by index in STEP_PROTOCOLS · flags that must be set u8 · flags that must not u8 · zero 1 · port u16 · shortest time since the
 * step before u32, ms · longest u32, ms · zero.
 */
export const DOORS_FRAME = {
  type: 0,
  flags: 1,
  serial: 2,
  piece: 4,
  pieces: 6,
  door: 8,
  sequence: 10,
  misses: 12,
  count: 14,
  timeout: 16,
  target: 20,
  steps: 40,
} as const;

/** Bits of a `doors` frame's flags. */
export const DOORS_FLAG = { anyOrder: 1, target: 2 } as const;

/** Offsets within a step of a `doors` frame, and its size. */
export const STEP = { protocol: 0, set: 1, clear: 2, port: 4, minGap: 6, maxGap: 10, size: 14 } as const;

/** Numbers of a keyed set. */
export const SET_NUMBERS = 20;

/** The most sets that one frame carries. */
export const MOST_SETS = 11;

/**
 * `sets` (monitor to sentry): sets of one slot. 0 type · 1 number of sets u8 · 2 zero 6 · 8 slot u64 · 16 sets of 44 bytes: ordinal u32, the same for
 * a device and service in every slot, and never another's · 20 numbers u16 each, ascending · zero.
 */
export const SETS_FRAME = { type: 0, count: 1, slot: 8, sets: 16, setSize: 44 } as const;

/** `drop` (monitor to sentry): the sets of an ordinal up to a slot are used or void. 0 type · 1 zero 3 · 4 ordinal u32 · 8 last slot u64 · 16 zero. */
export const DROP_FRAME = { type: 0, ordinal: 4, slot: 8, end: 16 } as const;

/** Bytes of the longest user, host of a NAT request and command, and the most ports and signers of one request. */
export const FWKNOP_MOST = { user: 48, host: 70, ports: 64, command: 255, signers: 4 } as const;

/**
 * `fwknop` (sentry to monitor): a packet of fwknop's format that a credential opened. 0 type · 1 family of the packet (4, 6) · 2 credential u16 · 4 serial
 * of the credentials u16 · 6 fwknop's message type (0 to 6) · 7 IP protocol that it came by (1, 6, 17, 58) · 8 source 16 (IPv4 mapped) · 24 destination 16
 * (of the same family) · 40 replay id 32 · 72 time u32, unix s · 76 timeout u32, s, 0 if none is asked for · 80 address that it asks for 16 (zero: the
 * source) · 96 length of the user u8 (1 to 48) · 97 number of ports u8 · 98 port of the NAT target u16 · 100 length of its host u8 · 101 length of the
 * command u8 · 102 number of signers u8 · 103 bits of signers whose signature is good u8 · 104 user 48 · 152 ports of 3 bytes (IP protocol u8, port
 * u16), 344 host 70; or 152 the command · zero to 416 · signers of 20 bytes · zero. All text is printable ASCII.
 */
export const FWKNOP_FRAME = {
  type: 0,
  family: 1,
  credential: 2,
  serial: 4,
  message: 6,
  transport: 7,
  source: 8,
  destination: 24,
  replayId: 40,
  time: 72,
  timeout: 76,
  asked: 80,
  userLength: 96,
  ports: 97,
  natPort: 98,
  hostLength: 100,
  commandLength: 101,
  signers: 102,
  good: 103,
  user: 104,
  rest: 152,
  host: 344,
  hostEnd: 414,
  fingerprints: 416,
} as const;

/** What the sentry counts of packets of fwknop's format. The order is the wire order and must only be appended to. */
export const FWKNOP_COUNTERS = [
  'opened',
  'form',
  'source',
  'no-key',
  'field',
  'duplicate',
  'budget',
  'busy',
  'gpg',
  'gpg-busy',
  'gpg-refused',
] as const;

/** One of {@link FWKNOP_COUNTERS}. */
export type FwknopCounter = (typeof FWKNOP_COUNTERS)[number];

/** `tally` (sentry to monitor): 0 type · 1 zero 3 · 4 counters u32 each by index in FWKNOP_COUNTERS, since the sentry's start · zero. */
export const TALLY_FRAME = { type: 0, counters: 4 } as const;

/** The most sources of a credential that are told to the sentry; one with more is tried for all. */
export const MOST_CREDENTIAL_SOURCES = 19;

/**
 * `credential` (monitor to sentry): one piece of the table of credentials for fwknop's format. A table is taken into use when its last piece came. 0 type ·
 * 1 kind u8 (0: a table of none, and the rest is zero; 1 symmetric; 2 gpg) · 2 serial u16 · 4 index u16 · 6 number of pieces u16 · 8 number of the mode
 * in FWKNOP_MODES u8 · 9 length of the key u8 · 10 number of the HMAC in FWKNOP_DIGESTS and 1, 0 for none u8 · 11 length of its key u8 · 12 number of
 * sources u8 · 13 flags u8 (bit 0: any source, bit 1: work is not rationed) · 14 zero 2 · 16 key 32 · 48 HMAC key 136 · 184 sources of 17 bytes (address
 * 16, prefix length in its 128 bits u8) · zero.
 */
export const CREDENTIAL_FRAME = {
  type: 0,
  kind: 1,
  serial: 2,
  piece: 4,
  pieces: 6,
  mode: 8,
  keyLength: 9,
  hmac: 10,
  hmacLength: 11,
  sourceCount: 12,
  flags: 13,
  key: 16,
  hmacKey: 48,
  sources: 184,
  sourceSize: 17,
} as const;

/** Bits of a `credential` frame's flags. */
export const CREDENTIAL_FLAG = { anySource: 1, unrationed: 2 } as const;
