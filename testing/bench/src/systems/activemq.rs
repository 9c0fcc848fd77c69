//! ActiveMQ Classic, as Debian packages it: its default broker with a STOMP connector, no JMX,
//! and the heap that Debian gives it. Unlike by default, its sockets send small frames at once,
//! as those of the others do.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result};

use super::{Started, free_address, write_config};
use crate::{install::ensure_installed, process::Owned};

const HOME: &str = "/usr/share/activemq";
const JAR: &str = "/usr/share/activemq/bin/activemq.jar";

/// Starts ActiveMQ with its configuration and its `KahaDB` in `dir`.
pub(super) fn start(dir: &Path) -> Result<Started> {
    ensure_installed(Path::new(JAR), "activemq")?;
    let address = free_address()?;
    let conf_dir = dir.join("conf");
    std::fs::create_dir_all(&conf_dir).context("creating a configuration folder")?;
    write_config(&conf_dir, "activemq.xml", &broker_xml(&address.to_string()))?;
    let mut command = Command::new("java");
    command
        .args([
            "-Xms512M",
            "-Xmx512M",
            "-Dorg.apache.activemq.UseDedicatedTaskRunner=true",
        ])
        .arg(format!("-Djava.io.tmpdir={}", dir.display()))
        .arg(format!("-Dactivemq.home={HOME}"))
        .arg(format!("-Dactivemq.base={}", dir.display()))
        .arg(format!("-Dactivemq.conf={}", conf_dir.display()))
        .args(["-jar", JAR, "start", "xbean:activemq.xml"])
        .current_dir(dir);
    let process = Owned::spawn("activemq", dir, &mut command)?;
    Ok(Started {
        processes: vec![process],
        worker: None,
        address,
        control: None,
    })
}

fn broker_xml(address: &str) -> String {
    format!(
        r#"<beans xmlns="http://www.springframework.org/schema/beans"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
  xsi:schemaLocation="http://www.springframework.org/schema/beans
    http://www.springframework.org/schema/beans/spring-beans-2.0.xsd
    http://activemq.apache.org/schema/core
    http://activemq.apache.org/schema/core/activemq-core.xsd">
  <bean class="org.springframework.beans.factory.config.PropertyPlaceholderConfigurer"/>
  <broker xmlns="http://activemq.apache.org/schema/core" useJmx="false" brokerName="bench"
          dataDirectory="${{activemq.base}}/data">
    <persistenceAdapter>
      <kahaDB directory="${{activemq.base}}/data/kahadb"/>
    </persistenceAdapter>
    <transportConnectors>
      <transportConnector name="stomp" uri="stomp://{address}?transport.tcpNoDelay=true"/>
    </transportConnectors>
  </broker>
</beans>
"#
    )
}
