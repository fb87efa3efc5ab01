async function pageFunction(context) {
  const { $, request, customData, enqueueRequest } = context;
  const body = String(context.body || "");
  const loadedUrl = request.loadedUrl || request.url;
  const oneLine = (text) => String(text || "").replace(/\s+/g, " ").trim();
  const distinct = (list, most) => [...new Set(list.filter(Boolean))].slice(0, most);

  const absolute = (href) => {
    try {
      const url = new URL(href, loadedUrl);
      return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
    } catch (error) {
      return null;
    }
  };
  const hrefs = () => $("a[href]").map((_, element) => $(element).attr("href")).get();
  const pageLinks = () => hrefs().map(absolute);
  const mailAddresses = () =>
    hrefs()
      .filter((href) => /^mailto:/i.test(href))
      .map((href) => {
        const address = href.replace(/^mailto:/i, "").split("?")[0];
        try {
          return decodeURIComponent(address).trim();
        } catch (error) {
          return address.trim();
        }
      });
  const visibleText = () => {
    $("script, style, noscript, template").remove();
    $("body *").before(" ").after(" ");
    return oneLine($("body").text() || $.root().text());
  };

  const readFeed = () => {
    const channel = $("channel, feed").first();
    const text = (selector) => oneLine(channel.find(selector).first().text());
    const link = text("> link") || channel.find("> link[href]").first().attr("href") || "";
    return {
      title: text("> title"),
      text: oneLine(body.replace(/<!\[CDATA\[|\]\]>/g, " ").replace(/<[^>]+>/g, " ")),
      links: [absolute(link)],
      mailto: [],
      feed: {
        owner_email: text("itunes\\:owner > itunes\\:email") || text("> author > email") || text("> managingEditor"),
        author: text("> itunes\\:author") || text("> author > name"),
        owner_name: text("itunes\\:owner > itunes\\:name"),
        link: absolute(link),
      },
    };
  };

  const readPage = () => {
    const links = pageLinks();
    const mailto = mailAddresses();
    return { title: oneLine($("title").first().text()), text: visibleText(), links, mailto };
  };

  const readYoutubeAbout = () => {
    const title = oneLine($("meta[property='og:title']").attr("content") || $("title").first().text());
    const described = $("meta[name='description']").attr("content") || "";
    const quoted = [...body.matchAll(/"(?:description|simpleText|content)":("(?:[^"\\]|\\.)*")/g)].map((match) => {
      try {
        return JSON.parse(match[1]);
      } catch (error) {
        return "";
      }
    });
    const outward = [...body.matchAll(/redirect\?[^"'\s<>]*?q=([^"'&\\\s<>]+)/g)].map((match) => {
      try {
        return absolute(decodeURIComponent(match[1]));
      } catch (error) {
        return null;
      }
    });
    const links = [...outward, ...pageLinks()];
    const mailto = mailAddresses();
    const text = oneLine([described, ...new Set(quoted), visibleText()].join(" "));
    return { title, text, links, mailto };
  };

  const followSite = async (links) => {
    const host = (url) => new URL(url).hostname.replace(/^www\./, "");
    const own = links.filter((link) => link && host(link) === host(loadedUrl));
    const words = customData.crawlWords;
    const promising = own.filter((link) => {
      const path = new URL(link).pathname.toLowerCase();
      return words.some((word) => path.includes(word));
    });
    const fallback = customData.crawlPaths.map((path) => absolute(`/${path}`));
    const chosen = distinct(promising.length ? promising : fallback, customData.pagesPerSite - 1);
    for (const url of chosen) {
      await enqueueRequest({ url, userData: { label: request.userData.label } });
    }
  };

  const readers = { feed: readFeed, link_page: readPage, youtube_about: readYoutubeAbout, site: readPage };
  const found = readers[customData.extract]();
  if (customData.extract === "site" && request.userData.isStart) {
    await followSite(found.links);
  }
  return {
    label: request.userData.label,
    url: loadedUrl,
    requestedUrl: request.url,
    title: found.title,
    text: found.text.slice(0, customData.textChars),
    links: distinct(found.links, customData.maxLinks),
    mailto: distinct(found.mailto, customData.maxLinks),
    feed: found.feed || null,
  };
}
