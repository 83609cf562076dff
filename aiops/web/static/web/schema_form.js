// A form made of a JSON Schema's properties, and the typed values that somebody has put in.

const NUMBERS = ["integer", "number"];

/** The type of a parameter, also of one that may be null. */
const typeOf = (schema) => schema.type ?? (schema.anyOf ?? []).map((one) => one.type).find((type) => type && type !== "null");
const isSimple = (schema) => ["string", "integer", "number", "boolean"].includes(typeOf(schema)) || schema.enum;

function input(name, schema, required, value) {
  const choices = schema.enum ?? (schema.anyOf ?? []).flatMap((one) => one.enum ?? []);
  const type = typeOf(schema);
  let element = Object.assign(document.createElement("input"), { type: NUMBERS.includes(type) ? "number" : "text" });
  if (choices.length || type === "boolean") {
    element = document.createElement("select");
    for (const choice of ["", ...(choices.length ? choices : ["true", "false"])]) element.append(new Option(choice, choice));
  }
  if (type === "string" && String(value ?? "").includes("\n")) element = Object.assign(document.createElement("textarea"), { rows: 4 });
  if (type === "number") element.step = "any";
  element.name = name;
  element.required = required;
  const begin = value ?? schema.default;
  if (begin !== undefined && begin !== null) element.value = String(begin);
  const label = document.createElement("label");
  label.append(`${name} `, Object.assign(document.createElement("span"), { className: "muted", textContent: schema.description ?? "" }), element);
  return label;
}

/** A box for all arguments as JSON, for a schema that is too large or too deep for a form. */
function raw(values) {
  const label = document.createElement("label");
  label.append("Arguments as JSON ", Object.assign(document.createElement("textarea"), { name: "*", rows: 6, value: JSON.stringify(values, null, 2) }));
  return label;
}

/** Return the labelled inputs for a schema (null: it is not known), filled with these values. */
export function inputs(schema, values = {}) {
  const properties = Object.entries(schema?.properties ?? {});
  const known = schema && properties.every(([, one]) => isSimple(one)) && Object.keys(values).every((name) => name in (schema.properties ?? {}));
  if (!known) return [raw(values)];
  return properties.map(([name, one]) => input(name, one, (schema.required ?? []).includes(name), values[name]));
}

/** Return what the inputs in an element say, with the types of the schema; throws SyntaxError for what is not JSON. */
export function filled(element, schema) {
  const written = {};
  for (const one of element.querySelectorAll("[name]")) {
    if (one.name === "*") return JSON.parse(one.value);
    if (one.value === "" && !one.required) continue;
    const type = typeOf(schema.properties[one.name]);
    written[one.name] = NUMBERS.includes(type) ? Number(one.value) : type === "boolean" ? one.value === "true" : one.value;
  }
  return written;
}
