/**
 * The expressions of scorers, by engines that cannot stall: regular expressions by RE2, also those inside of a JSONPath
 * (RFC 9535 `match` and `search`), which would be JavaScript's otherwise.
 */
import { FunctionExpressionType, JSONPathEnvironment, type JSONPathQuery } from 'json-p3';
import { RE2JS } from 're2js';
import { DEFAULT_FLEET_LIMITS } from '../limits.js';

export type Compiled<Expression> =
  { readonly ok: true; readonly expression: Expression } | { readonly ok: false; readonly fault: string };

/** A regular expression in the syntax of RE2. */
export function compileRegex(pattern: string): Compiled<RE2JS> {
  return compiled(pattern, () => RE2JS.compile(pattern));
}

/** A query of RFC 9535. */
export function compileJsonPath(expression: string): Compiled<JSONPathQuery> {
  return compiled(expression, () => environment().compile(expression));
}

function compiled<Expression>(source: string, compile: () => Expression): Compiled<Expression> {
  if (source.length > DEFAULT_FLEET_LIMITS.maxPatternLength) {
    return { ok: false, fault: `longer than ${DEFAULT_FLEET_LIMITS.maxPatternLength} characters` };
  }
  try {
    return { ok: true, expression: compile() };
  } catch (error) {
    return { ok: false, fault: error instanceof Error ? error.message : String(error) };
  }
}

function environment(): JSONPathEnvironment {
  const made = new JSONPathEnvironment();
  made.functionRegister.set(
    'match',
    regexFunction((regex, text) => regex.matches(text)),
  );
  made.functionRegister.set(
    'search',
    regexFunction((regex, text) => regex.matcher(text).find()),
  );
  return made;
}

/** A pattern that is no text or does not compile matches nothing (RFC 9535 §2.4.6). */
function regexFunction(test: (regex: RE2JS, text: string) => boolean) {
  const known = new Map<string, RE2JS | undefined>();
  return {
    argTypes: [FunctionExpressionType.ValueType, FunctionExpressionType.ValueType],
    returnType: FunctionExpressionType.LogicalType,
    call: (text: unknown, pattern: unknown): boolean => {
      if (typeof text !== 'string' || typeof pattern !== 'string') return false;
      if (!known.has(pattern)) {
        // A document can hold any number of patterns.
        if (known.size >= MAX_KNOWN) known.clear();
        const read = compileRegex(pattern);
        known.set(pattern, read.ok ? read.expression : undefined);
      }
      const regex = known.get(pattern);
      return regex !== undefined && test(regex, text);
    },
  };
}

const MAX_KNOWN = 100;
