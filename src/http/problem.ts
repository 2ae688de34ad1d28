/**
 * Why an input is refused. `field` is the id of the form's field, and `key` names the sentence in views/messages. `about` is the typed text,
 * shown beside the sentence and never inside it, or the library's English message.
 */
export type Problem<Field extends string = string, Key extends string = string> = {
  field: Field;
  key: Key;
  values?: Record<string, string | number>;
  about?: string;
};
