/**
 * A seccomp filter for what namespaces do not separate: the system calls by which a process would reach beyond its walls.
 *
 * (F1) No socket of the Unix family: a path that can be read is enough to connect to one, on read-only mounts and without
 *      a network too, and behind it may be a daemon that does as it is told. `socketpair`, which joins a process to its own
 *      children, stays.
 * (F2) No `io_uring`, which opens sockets past this filter, and no kernel keyrings, which are the user's and not the
 *      namespace's. Both are answered with ENOSYS, so that programs do without.
 * (F3) Calls of another architecture than the one that the filter is written for are answered with ENOSYS: their numbers
 *      mean something else.
 * Sources: linux/filter.h, linux/seccomp.h, linux/audit.h, and the kernel's syscall tables.
 */

interface Architecture {
  /** AUDIT_ARCH_*. */
  readonly audit: number;
  /** From here on the numbers are those of another ABI (x32). */
  readonly foreignFrom?: number;
  readonly socket: number;
  readonly withheld: readonly number[];
}

const IO_URING_SETUP = 425;

const ARCHITECTURES: ReadonlyMap<string, Architecture> = new Map<string, Architecture>([
  // add_key, request_key, keyctl
  [
    'x64',
    {
      audit: 0xc000003e,
      foreignFrom: 0x4000_0000,
      socket: 41,
      withheld: [IO_URING_SETUP, 248, 249, 250],
    },
  ],
  ['arm64', { audit: 0xc00000b7, socket: 198, withheld: [IO_URING_SETUP, 217, 218, 219] }],
]);

/** Classic BPF, `struct sock_filter`: u16 code, u8 jt, u8 jf, u32 k. */
interface Instruction {
  readonly code: number;
  readonly k: number;
  readonly jt?: number;
  readonly jf?: number;
}

const LD_WORD = 0x20;
const JUMP_EQUAL = 0x15;
const JUMP_AT_LEAST = 0x35;
const RETURN = 0x06;

const ALLOW = 0x7fff_0000;
const ERRNO = 0x0005_0000;
const EACCES = 13;
const ENOSYS = 38;

const AF_UNIX = 1;

/** Offsets in `struct seccomp_data`. The first argument's low word; both architectures are little-endian. */
const NUMBER = 0;
const ARCH = 4;
const FIRST_ARGUMENT = 16;

/** The filter as `bwrap --seccomp` reads it; `undefined` for an architecture that it is not written for. */
export function seccompFilter(architecture: string = process.arch): Buffer | undefined {
  const target = ARCHITECTURES.get(architecture);
  return target && encode(program(target));
}

function program({ audit, foreignFrom, socket, withheld }: Architecture): Instruction[] {
  const answer = (errno: number): Instruction => ({ code: RETURN, k: ERRNO | errno });
  return [
    { code: LD_WORD, k: ARCH },
    { code: JUMP_EQUAL, k: audit, jt: 1 },
    answer(ENOSYS),
    { code: LD_WORD, k: NUMBER },
    ...(foreignFrom === undefined ? [] : [{ code: JUMP_AT_LEAST, k: foreignFrom, jf: 1 }, answer(ENOSYS)]),
    ...withheld.flatMap((number) => [{ code: JUMP_EQUAL, k: number, jf: 1 }, answer(ENOSYS)]),
    { code: JUMP_EQUAL, k: socket, jf: 3 },
    { code: LD_WORD, k: FIRST_ARGUMENT },
    { code: JUMP_EQUAL, k: AF_UNIX, jf: 1 },
    answer(EACCES),
    { code: RETURN, k: ALLOW },
  ];
}

function encode(instructions: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(8 * instructions.length);
  for (const [index, { code, k, jt = 0, jf = 0 }] of instructions.entries()) {
    bytes.writeUInt16LE(code, 8 * index);
    bytes.writeUInt8(jt, 8 * index + 2);
    bytes.writeUInt8(jf, 8 * index + 3);
    bytes.writeUInt32LE(k >>> 0, 8 * index + 4);
  }
  return bytes;
}
