import { describe, expect, it } from "vitest";
import { claimedReason } from "../src/shown/claim";

const claimed = (text: string) => claimedReason(new TextEncoder().encode(text));

describe("the reason that a statement gives", () => {
  it("is read from the comment at its end", () => {
    expect(claimed("UPDATE t SET a = 1 /*reason='ticket%20SUP-7%3A%20refund'*/")).toBe("ticket SUP-7: refund");
    expect(claimed("UPDATE t SET a = 1 /*action='x',reason='it\\'s due'*/ ;\n")).toBe("it's due");
    expect(claimed("SELECT 1 /*reason='100%'*/")).toBe("100%");
  });

  it("is none where there is no such comment", () => {
    for (const text of ["SELECT 1", "SELECT '/*reason=x*/'", "SELECT 1 /*reason=x*/", "SELECT 1 /*unreason='x'*/", "SELECT 1 /*reason='x'*/, 2", "/*/", "*/", ""]) {
      expect(claimed(text)).toBeUndefined();
    }
  });
});
