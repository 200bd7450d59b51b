// HAPI's JPA server on a free port of this machine, for scripts/check-hapi: its own classes and its own test
// configuration, a database in memory. Run from source: java -cp CLASSPATH Server.java R4|R5
// It says where it listens in one line and ends when its standard input does. From the line "server-ids" there on it lets nobody
// choose ids: that is HAPI's setting, and its CapabilityStatement says nothing of it.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings;
import ca.uhn.fhir.jpa.api.dao.IFhirSystemDao;
import ca.uhn.fhir.jpa.provider.JpaCapabilityStatementProvider;
import ca.uhn.fhir.jpa.provider.JpaSystemProvider;
import ca.uhn.fhir.jpa.search.DatabaseBackedPagingProvider;
import ca.uhn.fhir.jpa.test.config.TestHSearchAddInConfig;
import ca.uhn.fhir.jpa.test.config.TestR4Config;
import ca.uhn.fhir.jpa.test.config.TestR5Config;
import ca.uhn.fhir.rest.api.EncodingEnum;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.provider.ResourceProviderFactory;
import ca.uhn.fhir.rest.server.util.ISearchParamRegistry;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.ServerConnector;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;

public class Server {
  /** Resources on a page of a search, so that a record of a few dozen has several. */
  private static final int PAGE = 10;

  public static void main(String[] arguments) throws Exception {
    boolean isR5 = arguments.length > 0 && arguments[0].equals("R5");
    Class<?> configuration = isR5 ? TestR5Config.class : TestR4Config.class;
    var spring = new AnnotationConfigApplicationContext(configuration, TestHSearchAddInConfig.NoFT.class);
    FhirContext fhir = spring.getBean(FhirContext.class);
    RestfulServer server = new RestfulServer(fhir);
    String providers = isR5 ? "myResourceProvidersR5" : "myResourceProvidersR4";
    server.registerProviders(spring.getBean(providers, ResourceProviderFactory.class).createProviders());
    server.registerProvider(spring.getBean(JpaSystemProvider.class));
    server.setServerConformanceProvider(new JpaCapabilityStatementProvider(
        server, spring.getBean(IFhirSystemDao.class), spring.getBean(JpaStorageSettings.class),
        spring.getBean(ISearchParamRegistry.class), spring.getBean(IValidationSupport.class)));
    server.setPagingProvider(spring.getBean(DatabaseBackedPagingProvider.class)
        .setDefaultPageSize(PAGE).setMaximumPageSize(PAGE));
    server.setDefaultResponseEncoding(EncodingEnum.JSON);

    var jetty = new org.eclipse.jetty.server.Server();
    var connector = new ServerConnector(jetty);
    connector.setHost("127.0.0.1");
    jetty.addConnector(connector);
    var context = new ServletContextHandler();
    context.addServlet(new ServletHolder(server), "/fhir/*");
    jetty.setHandler(context);
    jetty.start();
    System.out.println("listening http://127.0.0.1:" + connector.getLocalPort() + "/fhir");
    var said = new BufferedReader(new InputStreamReader(System.in));
    for (String line = said.readLine(); line != null; line = said.readLine()) {
      if (line.equals("server-ids")) {
        spring.getBean(JpaStorageSettings.class)
            .setResourceClientIdStrategy(JpaStorageSettings.ClientIdStrategyEnum.NOT_ALLOWED);
        System.out.println("server-ids");
      }
    }
    System.exit(0);
  }
}
