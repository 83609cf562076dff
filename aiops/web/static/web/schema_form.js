// A form made of a JSON Schema's properties, and the typed values that somebody has put in.

const NUMBERS = ["integer", "number"];
const RAW = "*";

/** The type of a parameter, also of one that may be null. */
const typeOf = (schema) => schema.type ?? (schema.anyOf ?? []).map((one) => one.type).find((type) => type && type !== "null");
const isSimple = (schema) => ["string", "integer", "number", "boolean"].includes(typeOf(schema)) || schema.enum;

/** What can be chosen, if that is a list. */
function choicesOf(schema) {
  const named = schema.enum ?? (schema.anyOf ?? []).flatMap((one) => one.enum ?? []);
  if (named.length) return named;
  return typeOf(schema) === "boolean" ? [true, false] : [];
}

/** Whether the browser has rounded a number: what it would send is not what was there. */
export const isRounded = (value) => (typeof value === "number" && Math.abs(value) > Number.MAX_SAFE_INTEGER)
  || (value !== null && typeof value === "object" && Object.values(value).some(isRounded));

function input(name, schema, required, value) {
  const type = typeOf(schema);
  const choices = choicesOf(schema);
  const begin = value ?? schema.default;
  let element = Object.assign(document.createElement("input"), { type: NUMBERS.includes(type) ? "number" : "text" });
  if (choices.length) {
    element = document.createElement("select");
    element.append(new Option("", ""), ...choices.map((choice, at) => new Option(String(choice), String(at))));
    element.selectedIndex = choices.indexOf(begin) + 1;
  } else {
    if (type === "string" && String(begin ?? "").includes("\n")) element = Object.assign(document.createElement("textarea"), { rows: 4 });
    if (begin !== undefined && begin !== null) element.value = String(begin);
  }
  if (type === "number") element.step = "any";
  element.name = name;
  element.required = required && begin !== "";
  const label = document.createElement("label");
  label.append(`${name} `, Object.assign(document.createElement("span"), { className: "muted", textContent: schema.description ?? "" }), element);
  return label;
}

/** A box for all arguments as JSON, for a schema that is too large or too deep for a form. */
function raw(values) {
  const label = document.createElement("label");
  label.append("Arguments as JSON ", Object.assign(document.createElement("textarea"), { name: RAW, rows: 6, value: JSON.stringify(values, null, 2) }));
  return label;
}

/** Return the labelled inputs for a schema (null: it is not known), filled with these values. */
export function inputs(schema, values = {}) {
  const properties = Object.entries(schema?.properties ?? {});
  const known = schema && !(RAW in (schema.properties ?? {})) && properties.every(([, one]) => isSimple(one))
    && Object.keys(values).every((name) => name in (schema.properties ?? {}));
  if (!known) return [raw(values)];
  return properties.map(([name, one]) => input(name, one, (schema.required ?? []).includes(name), values[name]));
}

/** Return what the inputs in an element say, with the types of the schema; throws SyntaxError for what is not JSON. */
export function filled(element, schema, values = {}) {
  const written = {};
  for (const one of element.querySelectorAll("[name]")) {
    if (one.name === RAW) return JSON.parse(one.value);
    const property = schema.properties[one.name];
    if (one.value === "") {
      if (values[one.name] === "") written[one.name] = ""; // as it was
    } else if (one.tagName === "SELECT") {
      written[one.name] = choicesOf(property)[Number(one.value)];
    } else {
      written[one.name] = NUMBERS.includes(typeOf(property)) ? Number(one.value) : one.value;
    }
  }
  return written;
}
