import { useRef, useState } from "../../lib/preact.js";
import { alike } from "../settings.js";

/**
 * What was typed and what is wrong with it, for as long as it means the value: a number may be written as '1e-4', and an
 * emptied one stay empty. A value from elsewhere replaces it. `keep` is told what the text means.
 * @param {any} value
 */
export function useTyped(value) {
  const typed = useRef(/** @type {{ meaning: any, text: string | null, problem: string } | null} */ (null));
  const [, setCount] = useState(0);
  if (typed.current && !alike(typed.current.meaning, value)) typed.current = null;
  /** @param {any} meaning @param {string | null} text @param {string} problem */
  function keep(meaning, text, problem) {
    typed.current = { meaning, text, problem };
    setCount((count) => count + 1); // what is wrong may change though the value does not
  }
  return { text: typed.current?.text ?? null, problem: typed.current?.problem ?? "", keep };
}
