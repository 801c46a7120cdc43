import com.netflix.graphql.dgs.codegen.CodeGenCli;
import java.util.List;

/** Starts the generator, whose entry point is not static. */
class Generate {
  public static void main(String[] arguments) {
    new CodeGenCli().main(arguments);
  }
}
