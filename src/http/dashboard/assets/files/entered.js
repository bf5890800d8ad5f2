// What is entered while an answer of htmx is on its way. The rule: what a page shows is the answer to what its form says, but for a
// text in which somebody still writes.
(() => {
  const said = (form) => new URLSearchParams(new FormData(form)).toString();
  /** What its form said when it was sent, by its request. */
  const asked = new WeakMap();
  /** Forms of which an answer wasn't shown and no newer one was asked for. */
  const behind = new WeakSet();
  let writtenIn = null;
  document.addEventListener("input", ({ target }) => {
    writtenIn = target.matches("textarea, input:not([type=checkbox], [type=radio])") ? target : null;
  });
  for (const end of ["change", "submit"]) document.addEventListener(end, () => (writtenIn = null), true);
  document.addEventListener("focusout", ({ target }) => {
    writtenIn = null;
    if (target.form && behind.has(target.form)) target.form.requestSubmit();
  });

  // What was entered before the scripts ran. htmx began to listen right before, and takes it for what was there from the beginning.
  document.addEventListener("DOMContentLoaded", () => {
    for (const box of document.querySelectorAll("input[type=search][hx-get]")) {
      if (box.value !== box.defaultValue)
        window.htmx?.ajax("get", box.getAttribute("hx-get"), { source: box });
    }
  });

  document.addEventListener("htmx:configRequest", ({ detail }) => {
    // htmx sends the button that has the focus as if it had been pressed, whatever it sends the form for.
    if (detail.elt.id === "users-form") detail.formData.delete("remove");
  });
  // Another answer has replaced the place of this one. It would only change the address.
  const nowhere = ({ currentTarget, detail }) => {
    if (detail.target === currentTarget && !currentTarget.isConnected) detail.shouldSwap = false;
  };
  document.addEventListener("htmx:beforeRequest", ({ detail: { xhr, target, requestConfig } }) => {
    // What happens to a target that is gone isn't heard of at the document.
    target.addEventListener("htmx:beforeSwap", nowhere);
    if (requestConfig.elt.tagName !== "FORM") return;
    asked.set(xhr, said(requestConfig.elt));
    behind.delete(requestConfig.elt);
  });
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    const { xhr, target, requestConfig } = detail;
    const form = requestConfig.elt;
    if (!detail.shouldSwap || !asked.has(xhr) || !target.contains(form)) return;
    if (asked.get(xhr) === said(form)) return carryOver(target, form);
    // The form says something else by now. It stays, with whatever htmx listens to in it, and is asked for anew: at once, or when
    // the text is left in which somebody writes. The browser says that such a text has changed only as long as it isn't replaced.
    detail.shouldSwap = false;
    behind.add(form);
    if (!form.contains(writtenIn)) form.requestSubmit();
  });

  /** What an answer says nothing of: what is written in other forms, and what is folded out. */
  function carryOver(target, form) {
    const open = [...target.querySelectorAll("details[id][open]")].map(({ id }) => id);
    const texts = [...target.querySelectorAll("textarea[id]")].filter(
      (text) => text.form !== form && text.value !== text.defaultValue,
    );
    const { id: at, selectionStart: start, selectionEnd: end } = document.activeElement;
    const putBack = () => {
      for (const id of open) document.getElementById(id)?.setAttribute("open", "");
      for (const { id, value, selectionStart, selectionEnd } of texts) {
        const text = document.getElementById(id);
        if (!text) continue;
        text.value = value;
        text.setSelectionRange(selectionStart, selectionEnd);
      }
      // htmx gives the focus back too, but not to what was folded in at that moment.
      const focused = document.getElementById(at);
      if (!focused || focused === document.activeElement) return;
      focused.focus();
      if (typeof start === "number") focused.setSelectionRange?.(start, end);
    };
    document.addEventListener("htmx:afterSwap", putBack, { once: true });
  }

  // A row that is removed, or whose field is emptied, goes at once: the answer numbers the rows behind it anew, and what somebody enters
  // in one of them meanwhile must not land in another.
  const drop = (row) => {
    const builder = row.parentElement;
    row.remove();
    for (const [n, other] of builder.querySelectorAll(".filter-row").entries()) {
      for (const part of other.querySelectorAll("[id]")) part.id = part.id.replace(/\d+/, n);
    }
  };
  const followed = (row) => row?.nextElementSibling?.matches(".filter-row");
  document.addEventListener("click", (event) => {
    const row = event.target.closest?.(".filter-row [name=remove]")?.closest(".filter-row");
    if (!row) return;
    event.preventDefault();
    const { form, nextElementSibling: next } = row;
    const hadFocus = row.contains(document.activeElement);
    drop(row);
    if (hadFocus) (next.querySelector("[name=remove]") ?? form.querySelector("#filter-apply")).focus();
    form.requestSubmit();
  });
  document.addEventListener(
    "change",
    ({ target }) => {
      const row = target.closest(".filter-row");
      if (target.name !== "field" || target.value.trim() !== "" || !followed(row)) return;
      const next = row.nextElementSibling;
      drop(row);
      // Where the focus was to go to is often in the row that went.
      setTimeout(() => document.activeElement === document.body && next.querySelector("input").focus());
    },
    true,
  );
})();
