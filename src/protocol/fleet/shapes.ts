/**
 * The building blocks of the fleet's schemas: what serde's attributes are in fleet.rs.
 *
 * (F1) A value that was read is the value as it is written: `JSON.stringify` of it is what serde gives, but for the
 *      order of keys in maps. What serde leaves out (`skip_serializing_if`) is absent, an empty list too; what it
 *      always writes is there, `null` too.
 * (F2) Reading what was written changes nothing.
 * (F3) `null` is absent where the field is an `Option`, and an error where it is not.
 * (F4) Unknown keys are dropped in silence, as serde drops them; `unknownKeys` finds them for whoever wants to know.
 * (F5) Every fault is told with its path, not only the first, but no list goes on after `MAX_FAULTS` of them (L7).
 */
import * as z from 'zod';
import { isJsonObject, text, type JsonObject } from '../scalars.js';

/** Faults after which a list is read no further. */
const MAX_FAULTS = 100;

/** A field that serde reads as `Option` and leaves out when it is `None` (F3). */
export function maybe<Schema extends z.ZodType>(schema: Schema) {
  return schema
    .nullable()
    .transform((value) => value ?? undefined)
    .optional();
}

/** A field that serde reads as `Option` and writes as `null` when it is `None`. */
export function orNull<Schema extends z.ZodType>(schema: Schema) {
  return schema
    .nullable()
    .optional()
    .transform((value) => value ?? null);
}

/** A field with `#[serde(default)]` that is no `Option`: it may be missing, but not `null`. */
export function otherwise<Value>(schema: z.ZodType<Value>, value: () => NoInfer<Value>) {
  return schema.optional().transform((given): Value => given ?? value());
}

/** A variant of which there is no more to say than its tag. */
export const bare = z.object({}).transform((): object => ({}));

/** A list that is always written, `[]` where it is missing. */
export function listOf<Schema extends z.ZodType>(element: Schema) {
  return otherwise(list(element), () => []);
}

/** A list that is left out where it is empty (F1). */
export function listOrNone<Schema extends z.ZodType>(element: Schema) {
  return list(element)
    .transform((items) => (items.length === 0 ? undefined : items))
    .optional();
}

type Labels = Readonly<Record<string, string>>;

/** A map of texts, `{}` where it is missing. */
export const labels = otherwise(
  z.custom<JsonObject>(isJsonObject, 'expected an object').transform((given, ctx) => {
    const faults: Issue[] = [];
    for (const [key, value] of Object.entries(given)) {
      const { error } = text.safeParse(value);
      if (error !== undefined) faults.push(...below([key], error.issues));
      if (faults.length >= MAX_FAULTS) break;
    }
    ctx.issues.push(...faults);
    return given as Labels;
  }),
  (): Labels => ({}),
);

/** A map of free values, taken by reference. */
export const freeMap = z.custom<JsonObject>(isJsonObject, 'expected an object');

/** A word of the list, or one of its other spellings. */
export function word<const Words extends readonly string[]>(
  words: Words,
  aliases: Readonly<Record<string, Words[number]>> = {},
) {
  const known = new Map<unknown, Words[number]>([
    ...words.map((each): [string, Words[number]] => [each, each]),
    ...Object.entries(aliases),
  ]);
  return z
    .custom<string>((value) => known.has(value), `expected one of ${words.join(', ')}`)
    .transform((value): Words[number] => known.get(value) ?? value);
}

/** An integer from `least` to `most`. */
export function integer(least: number, most: number) {
  return z.custom<number>(
    (value) => Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most,
    `expected an integer from ${least} to ${most}`,
  );
}

type Issue = z.core.$ZodRawIssue;

function below(path: readonly PropertyKey[], issues: readonly z.core.$ZodIssue[]): Issue[] {
  return issues.map((issue) => ({ ...issue, path: [...path, ...issue.path], input: undefined }));
}

/** What stands inside a schema that zod cannot show, for `unknownKeys`. */
const ELEMENTS = new WeakMap<z.core.$ZodType, z.ZodType>();
const VARIANTS = new WeakMap<
  z.core.$ZodType,
  { readonly tag: string; find: (kind: unknown) => z.ZodType | undefined }
>();

function list<Schema extends z.ZodType>(element: Schema) {
  const schema = z
    .custom<readonly unknown[]>(Array.isArray, 'expected an array')
    .transform((items, ctx): z.output<Schema>[] => {
      const read: z.output<Schema>[] = [];
      const faults: Issue[] = [];
      for (const [index, item] of items.entries()) {
        const result = element.safeParse(item);
        if (result.success) read.push(result.data);
        else faults.push(...below([index], result.error.issues));
        if (faults.length >= MAX_FAULTS) break;
      }
      ctx.issues.push(...faults);
      return read;
    });
  ELEMENTS.set(schema, element);
  return schema;
}

/**
 * A union that is told apart by a field (`#[serde(tag = "…")]`). The tag is written first and in its own spelling;
 * `aliases` are the others that are read.
 */
export function tagged<const Tag extends string, Variants extends Readonly<Record<string, z.ZodType>>>(
  tag: Tag,
  variants: Variants,
  aliases: Readonly<Record<string, keyof Variants & string>> = {},
) {
  type Tagged = {
    [Kind in keyof Variants & string]: Record<Tag, Kind> & z.output<Variants[Kind]>;
  }[keyof Variants & string];
  const names = Object.keys(variants);
  const own = new Map<unknown, string>([
    ...names.map((name) => [name, name] as const),
    ...Object.entries(aliases),
  ]);
  const schema = z.custom<JsonObject>(isJsonObject, 'expected an object').transform((given, ctx) => {
    const name = own.get(Object.hasOwn(given, tag) ? given[tag] : undefined);
    const variant = name === undefined ? undefined : variants[name];
    if (variant === undefined) {
      ctx.issues.push({
        code: 'custom',
        path: [tag],
        message: `expected one of ${names.join(', ')}`,
        input: undefined,
      });
      return z.NEVER;
    }
    const read = variant.safeParse(given);
    if (read.success) return { [tag]: name, ...(read.data as object) } as Tagged;
    ctx.issues.push(...below([], read.error.issues));
    return z.NEVER;
  });
  VARIANTS.set(schema, {
    tag,
    find: (kind) => {
      const name = own.get(kind);
      return name === undefined ? undefined : variants[name];
    },
  });
  return schema;
}

export interface UnknownKey {
  readonly path: readonly PropertyKey[];
  /** The keys that could stand there. */
  readonly known: readonly string[];
}

/** The keys of a value that its schema drops (F4), outside free maps. At most `MAX_FAULTS` of them. */
export function unknownKeys(schema: z.ZodType, value: unknown): UnknownKey[] {
  const found: UnknownKey[] = [];
  walk(schema, value, [], [], found);
  return found;
}

function walk(
  schema: z.core.$ZodType,
  value: unknown,
  path: readonly PropertyKey[],
  alsoKnown: readonly string[],
  found: UnknownKey[],
): void {
  if (found.length >= MAX_FAULTS) return;
  const element = ELEMENTS.get(schema);
  const variants = VARIANTS.get(schema);
  const { def } = schema._zod as { readonly def: Def };
  if (element !== undefined) {
    if (!Array.isArray(value)) return;
    for (const [index, item] of value.entries()) walk(element, item, [...path, index], [], found);
  } else if (variants !== undefined) {
    const variant = isJsonObject(value) ? variants.find(value[variants.tag]) : undefined;
    if (variant !== undefined) walk(variant, value, path, [variants.tag], found);
  } else if (def.type === 'object') {
    if (!isJsonObject(value)) return;
    const known = [...alsoKnown, ...Object.keys(def.shape)];
    for (const [key, member] of Object.entries(value)) {
      const inner = Object.hasOwn(def.shape, key) ? def.shape[key] : undefined;
      if (inner !== undefined) walk(inner, member, [...path, key], [], found);
      else if (!known.includes(key)) found.push({ path: [...path, key], known });
    }
  } else if (def.type === 'pipe') {
    walk(def.in, value, path, alsoKnown, found);
  } else if (def.type === 'optional' || def.type === 'nullable') {
    walk(def.innerType, value, path, alsoKnown, found);
  } else if (def.type === 'union') {
    const option = def.options.find((each) => isJsonObject(value) === (each._zod.def.type === 'object'));
    if (option !== undefined) walk(option, value, path, alsoKnown, found);
  }
}

type Def =
  | { readonly type: 'object'; readonly shape: Readonly<Record<string, z.core.$ZodType>> }
  | { readonly type: 'pipe'; readonly in: z.core.$ZodType }
  | { readonly type: 'optional' | 'nullable'; readonly innerType: z.core.$ZodType }
  | { readonly type: 'union'; readonly options: readonly z.core.$ZodType[] }
  | { readonly type: 'custom' };
