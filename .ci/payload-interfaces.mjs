// The payload of every message as a TypeScript interface, printed from the types that the schemas give.
import { join } from 'node:path';
import ts from 'typescript';
import { virtualProgram } from './virtual-program.mjs';

/** Types that many payloads share, by the properties or the words that tell them apart. */
const SHARED = [
  { name: 'Capabilities', has: ['streaming', 'durable_jobs', 'extensions'] },
  { name: 'Artifact', has: ['artifact_id', 'uri', 'media_type', 'size'] },
  { name: 'Credential', has: ['id', 'scheme', 'value', 'endpoint'] },
  { name: 'JobState', words: ['accepted', 'queued', 'running', 'blocked'] },
  { name: 'ErrorCode', words: ['OK', 'CANCELLED', 'UNKNOWN', 'INVALID_ARGUMENT'] },
];

/** What the payload of every error carries; printed once. */
const ERROR = {
  name: 'WireError',
  fields: ['code', 'message', 'retryable', 'details', 'cause', 'trace_id', 'peer_code'],
};

/**
 * @param {string} root of the package
 * @returns {{ payloads: Map<string, string>; shapes: Map<string, string> }} code by message type, and by name of a shared shape
 */
export function payloadInterfaces(root) {
  const { checker, types } = payloadTypes(root);
  /** @type {Map<string, string>} */
  const payloads = new Map();
  /** @type {Map<string, string>} */
  const shapes = new Map();
  const printer = new Printer(checker, shapes);
  for (const [name, type] of types) payloads.set(name, printer.payload(type));
  return { payloads, shapes };
}

/** @param {string} root */
function payloadTypes(root) {
  const path = join(root, 'payload-interfaces.ts');
  const code =
    `import type { MESSAGES, Payload } from './src/protocol/messages.js';\n` +
    `export type All = { [Type in keyof typeof MESSAGES]: Payload<Type> };\n`;
  const program = virtualProgram(root, path, code);
  const checker = program.getTypeChecker();
  const alias = program.getSourceFile(path)?.statements.find(ts.isTypeAliasDeclaration);
  if (alias === undefined) throw new Error('the payload types cannot be read');
  const all = checker.getTypeAtLocation(alias.name);
  const types = all
    .getProperties()
    .map((property) => /** @type {const} */ ([property.name, checker.getTypeOfSymbol(property)]));
  return { checker, types };
}

class Printer {
  #checker;
  #shapes;

  /** @param {ts.TypeChecker} checker @param {Map<string, string>} shapes */
  constructor(checker, shapes) {
    this.#checker = checker;
    this.#shapes = shapes;
  }

  /** @param {ts.Type} type */
  payload(type) {
    if (!isError(type)) return `interface Payload ${this.object(type, 0)}`;
    if (!this.#shapes.has(ERROR.name))
      this.#shapes.set(
        ERROR.name,
        `interface ${ERROR.name} ${this.object(type, 0, (name) => ERROR.fields.includes(name))}`,
      );
    const more = this.object(type, 0, (name) => !ERROR.fields.includes(name));
    return `interface Payload extends ${ERROR.name} ${more}`;
  }

  /**
   * @param {ts.Type} type
   * @param {number} depth
   * @param {(name: string) => boolean} [wanted]
   * @returns {string}
   */
  object(type, depth, wanted = () => true) {
    const indent = '  '.repeat(depth + 1);
    const properties = type.getProperties().filter(({ name }) => wanted(name));
    const isOptional = (/** @type {ts.Symbol} */ { flags }) => (flags & ts.SymbolFlags.Optional) !== 0;
    properties.sort((a, b) => Number(isOptional(a)) - Number(isOptional(b)));
    const lines = properties.map((property) => {
      const of = this.#checker.getTypeOfSymbol(property);
      const optional = isOptional(property);
      return `${indent}${property.name}${optional ? '?' : ''}: ${this.#print(of, depth + 1, optional)};`;
    });
    const free = this.#checker.getIndexInfoOfType(type, ts.IndexKind.String);
    if (free !== undefined) lines.push(`${indent}[name: string]: unknown;`);
    return lines.length === 0 ? '{}' : `{\n${lines.join('\n')}\n${'  '.repeat(depth)}}`;
  }

  /** @param {ts.Type} type @param {number} depth @param {boolean} optional @returns {string} */
  #print(type, depth, optional) {
    if (type.isUnion()) {
      const types = type.types.filter((one) => !(optional && (one.flags & ts.TypeFlags.Undefined) !== 0));
      const words = types.flatMap((one) => (one.isStringLiteral() ? [one.value] : []));
      const shared = SHARED.find(({ words: known }) => known?.every((word) => words.includes(word)));
      if (shared !== undefined && words.length === types.length) {
        this.#shapes.set(shared.name, `type ${shared.name} =\n  | ${words.map(quoted).join('\n  | ')};`);
        return shared.name;
      }
      const isBoolean = types.filter((one) => (one.flags & ts.TypeFlags.BooleanLiteral) !== 0).length === 2;
      const rest = isBoolean ? types.filter((one) => (one.flags & ts.TypeFlags.BooleanLiteral) === 0) : types;
      const printed = rest.map((one) => this.#print(one, depth, false)).sort();
      return [...printed, ...(isBoolean ? ['boolean'] : [])].join(' | ');
    }
    if (type.isStringLiteral()) return quoted(type.value);
    if (this.#checker.isArrayType(type)) {
      const [element] = this.#checker.getTypeArguments(/** @type {ts.TypeReference} */ (type));
      const printed = element === undefined ? 'unknown' : this.#print(element, depth, false);
      return element?.isUnion() === true && printed.includes(' | ') ? `(${printed})[]` : `${printed}[]`;
    }
    const isObject = (type.flags & (ts.TypeFlags.Object | ts.TypeFlags.Intersection)) !== 0;
    if (!isObject) return this.#checker.typeToString(type);
    if (isError(type)) return ERROR.name;
    const names = type.getProperties().map(({ name }) => name);
    const shared = SHARED.find(({ has }) => has?.every((name) => names.includes(name)));
    if (shared === undefined) return this.object(type, depth);
    // Before its members are printed: a shape may be among them.
    if (!this.#shapes.has(shared.name)) {
      this.#shapes.set(shared.name, '');
      this.#shapes.set(shared.name, `interface ${shared.name} ${this.object(type, 0)}`);
    }
    return shared.name;
  }
}

/** @param {ts.Type} type */
function isError(type) {
  return ERROR.fields.every((name) => type.getProperty(name) !== undefined);
}

/** @param {string} word */
function quoted(word) {
  return `'${word}'`;
}
