package cluster;

import static net.bytebuddy.matcher.ElementMatchers.named;
import static net.bytebuddy.matcher.ElementMatchers.takesArguments;

import java.lang.instrument.Instrumentation;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import net.bytebuddy.agent.builder.AgentBuilder;
import net.bytebuddy.asm.Advice;
import net.bytebuddy.implementation.bytecode.assign.Assigner;
import org.apache.beam.vendor.grpc.v1p60p1.io.grpc.netty.NettyServerBuilder;

/**
 * Keeps Beam's servers on the loopback address.
 *
 * <p>Whatever host they are given, Beam's job server and the services that a TaskManager has for its
 * Python workers listen on all addresses, and take code from anybody.
 */
public final class LoopbackAgent {
  public static void premain(String arguments, Instrumentation instrumentation) {
    new AgentBuilder.Default()
        .type(named("org.apache.beam.vendor.grpc.v1p60p1.io.grpc.netty.NettyServerBuilder"))
        .transform(
            (builder, type, loader, module, domain) ->
                builder.visit(
                    Advice.to(OnLoopback.class)
                        .on(named("forPort").and(takesArguments(int.class)))))
        .installOn(instrumentation);
  }

  /** What `NettyServerBuilder.forPort` returns instead. Its signature must not load that class. */
  public static final class OnLoopback {
    @Advice.OnMethodExit
    public static void exit(
        @Advice.Argument(0) int port,
        @Advice.Return(readOnly = false, typing = Assigner.Typing.DYNAMIC) Object builder) {
      builder =
          NettyServerBuilder.forAddress(
              new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
    }
  }

  private LoopbackAgent() {}
}
