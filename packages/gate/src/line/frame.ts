/**
 * The line between sentry and monitor: a stream of frames of one fixed size in both directions, big-endian. The monitor treats
 * every byte from the sentry as hostile; `monitor/table.ts` is the whole list of what a frame may ask for.
 */

/** Size of every frame, both ways, in bytes. */
export const FRAME = 256;

/** First byte of a frame from the sentry. */
export const FROM_SENTRY = { ready: 1, request: 2, report: 3 } as const;

/** First byte of a frame from the monitor. */
export const FROM_MONITOR = { setup: 1, keys: 2, verdict: 3 } as const;

/** Descriptors of the sentry process, fixed at its start. 0 is /dev/null; 1 and 2 are the log. */
export const SENTRY_FD = { line: 3, packet4: 4, packet6: 5, udp4: 6, udp6: 7 } as const;

/**
 * `request` (sentry to monitor), offsets: one unsealed, not yet verified request.
 * 0 type · 1 suite · 2 gate key that it used (0 current, 1 next) · 3 family of the observed source (4, 6) · 4 id u32, echoed in the
 * verdict · 8 observed source address 16 (IPv4 mapped) · 24 source port u16 · 26 serial of the gate keys · 27 zero 5 · 32 nonce 8 · 40 SHA-256(enc) 32 ·
 * 72 plaintext 0..183 · 255 zero 1.
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
} as const;

/** `report` (sentry to monitor): 0 type · 1 zero 3 · 4 number of counters u32 · 8 counters u32 each since start, by index in REFUSALS. */
export const REPORT_FRAME = { type: 0, count: 4, counters: 8 } as const;

/** `ready` (sentry to monitor): 0 type · rest zero. Sent once, after the sandbox is on and the setup was read. */
export const READY_FRAME = { type: 0 } as const;

/**
 * `setup` (monitor to sentry), once, first: 0 type · 1 flags (bit 0 packet sockets present for IPv4, bit 1 for IPv6, bit 2 udp4
 * present, bit 3 udp6 present, bit 4 receive on the udp sockets ("dgram" capture), bit 5 suite 2 required) · 2 knock port u16 ·
 * 4 X25519 private key 32 · 36 X-Wing seed 32 · 68 zero.
 */
export const SETUP_FRAME = { type: 0, flags: 1, port: 2, x25519: 4, xwing: 36 } as const;

/** Bits of the setup frame's flags. */
export const SETUP_FLAG = { packet4: 1, packet6: 2, udp4: 4, udp6: 8, receiveUdp: 16, pqRequired: 32 } as const;

/** `keys` (monitor to sentry), after setup and at every rotation: 0 type · 1 number of gate keys (1, 2) · 2 their serial u8 · 4 current 32 · 36 next 32 or zero. */
export const KEYS_FRAME = { type: 0, count: 1, serial: 2, current: 4, next: 36 } as const;

/**
 * `verdict` (monitor to sentry): one receipt to be sealed and sent. 0 type · 1 status · 2 zero 2 · 4 id u32 · 8 grant end u64 (unix
 * µs, 0 if none) · 16 gate's time u64 · 24 era u32 · 28 state id 8 · 36 next gate key 32 (zero if none). A refused request draws none.
 */
export const VERDICT_FRAME = { type: 0, status: 1, id: 4, end: 8, now: 16, era: 24, stateId: 28, nextKey: 36 } as const;
