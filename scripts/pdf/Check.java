// Holds each file against the part and level of PDF/A that it claims for itself, with veraPDF (https://verapdf.org).
// Run from source: java -cp CLASSPATH Check.java FILE.pdf...

import java.io.FileInputStream;
import org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider;
import org.verapdf.pdfa.Foundries;
import org.verapdf.pdfa.flavours.PDFAFlavour;

public class Check {
  /** What every report claims; a file that claims less does not hold. */
  private static final PDFAFlavour CLAIMED = PDFAFlavour.PDFA_2_A;

  public static void main(String[] files) throws Exception {
    VeraGreenfieldFoundryProvider.initialise();
    boolean all = true;
    for (String file : files) {
      try (var parser = Foundries.defaultInstance().createParser(new FileInputStream(file), PDFAFlavour.NO_FLAVOUR)) {
        var validator = Foundries.defaultInstance().createValidator(CLAIMED, 50, false, false, false);
        var result = validator.validate(parser);
        boolean holds = result.isCompliant() && parser.getFlavour() == CLAIMED;
        all &= holds;
        System.out.println((holds ? "ok      " : "FAILED  ") + "claims PDF/A-" + parser.getFlavour() + " " + file);
        for (var one : result.getTestAssertions()) {
          System.out.println("        " + one.getRuleId().getClause() + " " + one.getMessage());
        }
      }
    }
    System.exit(all ? 0 : 1);
  }
}
